import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tool } from '../../ci/tools/tools.ts';
import { freePort } from '../../service/testing/ports.ts';
import { Job, type Run } from '../gateway/job.ts';
import type { Target } from './fake-fleet.ts';

/** A real Prometheus by itself, which scrapes these targets and evaluates these rules. */
export class Prometheus implements AsyncDisposable {
  readonly job: Job;
  readonly #url: string;

  private constructor(job: Job, url: string) {
    this.job = job;
    this.#url = url;
  }

  /** `rules` by the names of their files; `seconds` lie between two scrapes and two evaluations. */
  static async start(run: Run, rules: Record<string, string>, targets: Target[], seconds: number): Promise<Prometheus> {
    const port = await freePort();
    const folder = path.join(run.folder, `prometheus-${port}`);
    await mkdir(path.join(folder, 'rules'), { recursive: true });
    const write = (file: string, text: string) => writeFile(path.join(folder, file), text);
    for (const [name, text] of Object.entries(rules)) await write(`rules/${name}`, text);
    await write('targets.json', JSON.stringify(targets));
    const interval = `${seconds}s`;
    await write(
      'prometheus.yaml',
      JSON.stringify({
        global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
        rule_files: ['rules/*.yaml'],
        scrape_configs: [{ job_name: 'fleet', honor_labels: true, file_sd_configs: [{ files: ['targets.json'] }] }],
      }),
    );
    const args = [
      `--config.file=${path.join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const job = new Job(run, 'Prometheus', await tool('prometheus'), args, { PATH: process.env.PATH });
    const url = `http://127.0.0.1:${port}`;
    await job.answers(run, `${url}/-/ready`).catch(async (error) => {
      await job[Symbol.asyncDispose]();
      throw error;
    });
    return new Prometheus(job, url);
  }

  /** Seconds that all groups of rules took when they were last evaluated, added up; throws where one went wrong. */
  async evaluationSeconds(): Promise<number> {
    const { groups } = (await this.#api('rules')) as {
      groups: { evaluationTime: number; rules: { name: string; lastError?: string }[] }[];
    };
    const wrong = groups.flatMap(({ rules }) => rules).find(({ lastError }) => lastError);
    if (wrong) throw new Error(`rule ${wrong.name}: ${wrong.lastError}`);
    return groups.reduce((sum, { evaluationTime }) => sum + evaluationTime, 0);
  }

  /** A number that an expression gives, 0 where it gives nothing. */
  async number(expr: string): Promise<number> {
    const { result } = (await this.#api(`query?query=${encodeURIComponent(expr)}`)) as {
      result: { value: [number, string] }[];
    };
    return Number(result[0]?.value[1] ?? 0);
  }

  async #api(page: string): Promise<unknown> {
    const answer = await fetch(`${this.#url}/api/v1/${page}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (status !== 'success') throw new Error(`Prometheus: ${page}: ${error}`);
    return data;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.job[Symbol.asyncDispose]();
  }
}
