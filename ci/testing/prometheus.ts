import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { freePort } from '../../service/testing/ports.ts';
import { run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { spawnMortal } from './mortal.ts';

/** A series as it was recorded in the past: Unix times in whole seconds, in order. */
export interface PastSeries {
  name: string;
  labels: Record<string, string>;
  samples: readonly (readonly [seconds: number, value: number])[];
}

/** Blocks of more than the usual two hours: weeks are hundreds of those. */
const longBlocks = ['--max-block-duration=24h'];

/** Puts blocks with what was recorded in the past into a folder of a Prometheus that does not run. */
export async function backFill(folder: string, series: readonly PastSeries[]): Promise<void> {
  const work = mkdtempSync(path.join(tmpdir(), 'past-'));
  try {
    const file = path.join(work, 'past.om');
    writeFileSync(file, openMetrics(series));
    const blocks = path.join(work, 'blocks');
    mkdirSync(blocks);
    await run(await tool('promtool'), ['tsdb', 'create-blocks-from', ...longBlocks, 'openmetrics', file, blocks]);
    moveBlocks(blocks, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The text format of OpenMetrics, which has the series of a name together. */
function openMetrics(series: readonly PastSeries[]): string {
  const lines = series
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .flatMap(({ name, labels, samples }) => {
      const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return samples.map(([seconds, value]) => `${name}{${pairs.join(',')}} ${value} ${seconds}`);
    });
  return `${lines.join('\n')}\n# EOF\n`;
}

function moveBlocks(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const block of readdirSync(from)) cpSync(path.join(from, block), path.join(to, block), { recursive: true });
}

interface Rule {
  record?: string;
  expr: string;
  labels?: Record<string, string>;
}

/** What is needed to record a name, each rule in a later stage than those that it makes use of. */
export function stagesOf(record: string, files: readonly string[]): Rule[][] {
  const rules = files
    .flatMap((text) => (parse(text) as { groups: { rules: Rule[] }[] }).groups)
    .flatMap((group) => group.rules);
  const stages: Rule[][] = [];
  const placed = new Map<string, number>();
  const place = (name: string): number => {
    const known = placed.get(name);
    if (known !== undefined) return known;
    const own = rules.filter((rule) => rule.record === name);
    if (own.length === 0) return -1;
    const uses = new Set(own.flatMap(({ expr }) => expr.match(/[a-zA-Z_]+(:[a-zA-Z0-9_]+)+/g) ?? []));
    uses.delete(name);
    const stage = 1 + Math.max(-1, ...[...uses].map(place));
    placed.set(name, stage);
    stages[stage] = [...(stages[stage] ?? []), ...own];
    return stage;
  };
  if (place(record) < 0) throw new Error(`${record}: no rule records it`);
  return stages;
}

/** A Prometheus of its own, on loopback, that scrapes nothing. */
export class RealPrometheus implements AsyncDisposable {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'prometheus-'));
  readonly #port: number;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<RealPrometheus> {
    const prometheus = new RealPrometheus(await freePort());
    writeFileSync(path.join(prometheus.#folder, 'prometheus.yaml'), '{}');
    await prometheus.resume();
    return prometheus;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Adds what was recorded in the past; it is away for a moment. */
  async backFill(series: readonly PastSeries[]): Promise<void> {
    await this.stop();
    await backFill(this.#data, series);
    await this.resume();
  }

  /** Adds what rules would have recorded in the past, by what is there; they may build on each other. Times in Unix seconds. */
  async backFillRules(
    record: string,
    files: readonly string[],
    { from, to, every }: { from: number; to: number; every: number },
  ): Promise<void> {
    for (const [index, rules] of stagesOf(record, files).entries()) {
      // When a group is evaluated depends on its name and its file: each stage at the times of the one before.
      const file = path.join(this.#folder, 'past.yaml');
      writeFileSync(file, stringify({ groups: [{ name: 'past', rules }] }));
      const blocks = path.join(this.#folder, `stage-${index}`);
      const times = [`--start=${from}`, `--end=${to}`, `--eval-interval=${every}s`];
      const how = [...longBlocks, 'rules', `--url=${this.url}`, `--output-dir=${blocks}`];
      await run(await tool('promtool'), ['tsdb', 'create-blocks-from', ...how, ...times, file]);
      await this.stop();
      moveBlocks(blocks, this.#data);
      await this.resume();
    }
  }

  async stop(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || running.exitCode !== null) return;
    running.kill('SIGKILL');
    await once(running, 'exit');
  }

  async resume(): Promise<void> {
    const flags = [
      `--config.file=${path.join(this.#folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${this.#data}`,
      '--storage.tsdb.retention.time=10y',
      `--web.listen-address=127.0.0.1:${this.#port}`,
      '--log.level=error',
    ];
    this.#process = spawnMortal(await tool('prometheus'), flags, { stdio: 'ignore' });
    for (const deadline = Date.now() + 60_000; ; await sleep(50)) {
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (answer?.ok) return;
      if (Date.now() > deadline) throw new Error(`prometheus: not up at ${this.url} after a minute`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return path.join(this.#folder, 'data');
  }
}
