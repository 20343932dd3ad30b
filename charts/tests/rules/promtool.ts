import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { type Output, output } from '../../../ci/tools/run.ts';
import { tool } from '../../../ci/tools/tools.ts';
import { fleet, model, render } from '../render.ts';

/** The fleet that the rules are tried on: one server with a GPU, one of two models without; and a prefix, which gateways see. */
export const values = fleet(
  {
    gpu: {
      models: ['llama'],
      replicas: { min: 1, max: 2 },
      resources: { gpu: 1, gpuMemoryMiB: 1000 },
      ollama: { parallel: 2 },
      startup: { downloadSeconds: 600, loadSeconds: 120 },
      costPerHour: 1.5,
    },
    cpu: { models: ['summary', 'v1.5'], replicas: { min: 0, max: 1 }, startup: { loadSeconds: 120 } },
  },
  {
    llama: model('llama', {
      fallbacks: [],
      priority: 'interactive',
      memoryMiB: 0,
      alerts: { queueWaitSeconds: 10, memoryPercent: 80 },
    }),
    summary: model('summary', { priority: 'batch', memoryMiB: 0 }),
    'v1.5': model('v1.5', { alerts: { memoryPercent: 70 }, objectives: { firstTokenSeconds: 2.5 } }),
  },
  {
    namePrefix: 'x-',
    monitoring: {
      rules: { delivery: 'configMap', runbooksUrl: 'https://runbooks.example.com' },
      plannedCost: { onDemand: { minimum: 5.1, maximum: 22 }, spot: { average: 6.5 } },
    },
    ingress: { enabled: true },
    backup: { enabled: true, existingSecret: 'repository' },
  },
);

/** Labels of samples, as a Prometheus that scrapes the fleet has them. */
export const scraped = {
  gateway: { namespace: 'ns', release: 'rel', component: 'gateway', pod: 'x-model-management-gateway-1' },
  gpu: { namespace: 'ns', release: 'rel', component: 'server', server: 'gpu', pod: 'x-gpu-1' },
  cpu: { namespace: 'ns', release: 'rel', component: 'server', server: 'cpu', pod: 'x-cpu-1' },
} as const;

export type Labels = Record<string, string>;
export type Series = Record<string, string>;

/** How Prometheus writes a series. */
export function series(metric: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return `${metric}{${pairs.join(',')}}`;
}

/** What is expected of an expression at a minute. */
export interface Expectation {
  minute: number;
  expr: string;
  /** What comes out, in any order. */
  samples: [labels: Labels, value: number][];
}

/** What an alert says at a minute. */
export interface Words {
  minute: number;
  alert: string;
  labels: Labels;
  annotations: Labels;
}

export interface RuleTest {
  name: string;
  /** A sample a minute, in promtool's notation. */
  series: Series;
  expect?: Expectation[];
  words?: Words[];
  /** Minutes between samples and evaluations; 1 unless given. */
  every?: { sample: number; evaluation: number };
}

interface RulesFile {
  groups: { name: string; rules: { record?: string; alert?: string; expr: string; labels?: Labels }[] }[];
}

/** The rules as the chart renders them. */
export class Rules {
  readonly files: Record<string, string>;
  readonly groups: RulesFile['groups'];

  private constructor(files: Record<string, string>) {
    this.files = files;
    this.groups = Object.values(files).flatMap((text) => (parse(text) as RulesFile).groups);
  }

  static async render(over: object = values): Promise<Rules> {
    const rendered = await render(over, { namespace: 'ns', release: 'rel' });
    const map = rendered.all('ConfigMap').find(({ metadata }) => metadata.name.endsWith('model-management-rules'));
    return new Rules(map!.data);
  }

  get rules(): RulesFile['groups'][number]['rules'] {
    return this.groups.flatMap(({ rules }) => rules);
  }

  /** Runs `promtool check rules` over them. */
  async check(folder: string): Promise<Output> {
    await this.#write(folder);
    return promtool(folder, 'check', 'rules', '--lint=all', '--lint-fatal', ...Object.keys(this.files));
  }

  /**
   * Runs tests by the real promtool, all in one process, since most of what a test takes is to evaluate every rule. Gives what
   * failed in each, by the test's name; throws where promtool says nothing of one.
   */
  async test(folder: string, tests: RuleTest[]): Promise<Map<string, string[]>> {
    await this.#write(folder);
    const files = await Promise.all(tests.map((test, index) => this.#writeTest(folder, `test-${index}.yaml`, test)));
    const { stdout, stderr } = await promtool(folder, 'test', 'rules', '--junit=report.xml', ...files);
    const report = await readFile(path.join(folder, 'report.xml'), 'utf8');
    const failures = new Map(
      [...report.matchAll(/<testcase name="(.*?)">(.*?)<\/testcase>/gs)].map(([, name, inside]) => [
        name!,
        [...inside!.matchAll(/<failure>(.*?)<\/failure>/gs)].map(([, text]) => unescaped(text!)),
      ]),
    );
    const missing = tests.filter(({ name }) => !failures.has(name));
    if (missing.length > 0) throw new Error(`promtool: nothing of ${missing[0]!.name}: ${stdout}${stderr}`);
    return failures;
  }

  async #write(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    for (const [name, text] of Object.entries(this.files)) await writeFile(path.join(folder, name), text);
  }

  /** A file for each test: what the clock does is said for a file. */
  async #writeTest(folder: string, file: string, test: RuleTest): Promise<string> {
    const { sample, evaluation } = test.every ?? { sample: 1, evaluation: 1 };
    const content = {
      rule_files: Object.keys(this.files),
      evaluation_interval: `${evaluation}m`,
      group_eval_order: this.groups.map(({ name }) => name),
      tests: [
        {
          name: test.name,
          interval: `${sample}m`,
          input_series: Object.entries(test.series).map(([series, values]) => ({ series, values })),
          promql_expr_test: (test.expect ?? []).map(({ minute, expr, samples }) => ({
            eval_time: `${minute}m`,
            expr,
            exp_samples: samples.map(([labels, value]) => ({ labels: series('', labels), value })),
          })),
          alert_rule_test: (test.words ?? []).map(({ minute, alert, labels, annotations }) => ({
            eval_time: `${minute}m`,
            alertname: alert,
            exp_alerts: [{ exp_labels: labels, exp_annotations: annotations }],
          })),
        },
      ],
    };
    await writeFile(path.join(folder, file), stringify(content));
    return file;
  }
}

/** Text of XML. */
const unescaped = (text: string) =>
  text.replaceAll(/&#(\d+|x[0-9A-F]+);/g, (_, code: string) =>
    String.fromCodePoint(Number(code.startsWith('x') ? `0${code}` : code)),
  );

const promtool = async (folder: string, ...args: string[]): Promise<Output> =>
  output(await tool('promtool'), args, { cwd: folder });
