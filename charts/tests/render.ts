import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { testDigests } from '../../ci/testing/digests.ts';
import { root } from '../../ci/tools/paths.ts';
import { type Output, output } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { mergeValues } from '../../generator/environment.ts';
import type { Kinds, KubeObject, PodTemplate } from './kinds.ts';

export const chart = path.join(root, 'charts');

/** The environments that the project ships. */
export const environments = ['local', 'staging', 'production'] as const;

export interface RenderOptions {
  /** Values of the environment, under those that are given; with digests of no image where it wants some. */
  environment?: (typeof environments)[number];
  kubeVersion?: string;
  /** APIs that the cluster has beside Kubernetes' own. */
  apiVersions?: string[];
  namespace?: string;
  release?: string;
  /** Another folder of a chart than the project's. */
  chart?: string;
  /** Which Helm: the current one, or the oldest that is supported. */
  helm?: 'helm' | 'helm3';
}

/** What a rendering made. */
export class Rendered {
  readonly objects: KubeObject[];

  constructor(manifest: string) {
    // As Kubernetes reads it: by YAML 1.1, where `on` is a boolean, and with a key that is there twice an error.
    const documents = parseAllDocuments(manifest, { version: '1.1' });
    for (const { errors } of documents) if (errors[0]) throw errors[0];
    this.objects = documents.map((document) => document.toJS()).filter((object) => object !== null);
  }

  /** All objects of a kind. */
  all<K extends keyof Kinds>(kind: K): Kinds[K][] {
    return this.objects.filter((object) => object.kind === kind) as Kinds[K][];
  }

  /** The object of that kind and name, if it was rendered. */
  find<K extends keyof Kinds>(kind: K, name: string): Kinds[K] | undefined {
    return this.all(kind).find(({ metadata }) => metadata.name === name);
  }

  /** The object of that kind and name; throws when it was not rendered. */
  get<K extends keyof Kinds>(kind: K, name: string): Kinds[K] {
    const found = this.find(kind, name);
    if (found) return found;
    const names = this.all(kind).map(({ metadata }) => metadata.name);
    throw new Error(`no ${kind} ${name}: there is ${names.join(', ') || 'none'}`);
  }

  /** The only object of that kind. */
  only<K extends keyof Kinds>(kind: K): Kinds[K] {
    const found = this.all(kind);
    if (found.length === 1) return found[0]!;
    throw new Error(`${found.length} objects of the kind ${kind}, where one was expected`);
  }

  /** The pod templates of everything that makes pods, by the name of what makes them. */
  get podTemplates(): Record<string, PodTemplate> {
    const makers = [...this.all('Deployment'), ...this.all('Job')];
    return Object.fromEntries([
      ...makers.map(({ metadata, spec }) => [metadata.name, spec.template]),
      ...this.all('CronJob').map(({ metadata, spec }) => [metadata.name, spec.jobTemplate.spec.template]),
    ]);
  }

  /** The objects by kind and name; throws when two share both. */
  get byIdentity(): Record<string, KubeObject> {
    const entries = this.objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const);
    const byIdentity = Object.fromEntries(entries);
    if (Object.keys(byIdentity).length === entries.length) return byIdentity;
    throw new Error(`two objects share kind and name: ${entries.map(([identity]) => identity).join(', ')}`);
  }
}

const renders = new Map<string, Promise<Output>>();

/** Runs `helm template`; the same twice runs once. */
export function template(values: object = {}, options: RenderOptions = {}): Promise<Output> {
  const key = JSON.stringify([values, options]);
  let result = renders.get(key);
  if (!result) {
    result = runHelm(['template', '--kube-version', options.kubeVersion ?? '1.37.2'], values, options);
    renders.set(key, result);
  }
  return result;
}

/** Runs Helm with the values in a file. `command` is what comes before the release's name. */
export async function runHelm(command: string[], values: object, options: RenderOptions): Promise<Output> {
  const helm = await tool(options.helm ?? 'helm');
  const folder = await mkdtemp(path.join(tmpdir(), 'render-'));
  try {
    const file = path.join(folder, 'values.json');
    const pinned = options.environment === 'production' ? mergeValues(testDigests, values) : values;
    await writeFile(file, JSON.stringify(pinned));
    const environment = options.environment && path.join(root, 'environments', options.environment, 'values.yaml');
    return await output(helm, [
      ...command,
      options.release ?? 'release',
      options.chart ?? chart,
      ...['--namespace', options.namespace ?? 'models'],
      ...(options.apiVersions ?? []).flatMap((version) => ['--api-versions', version]),
      ...(environment ? ['--values', environment] : []),
      ...['--values', file],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Renders the chart; throws what Helm says when it refuses. */
export async function render(values: object = {}, options: RenderOptions = {}): Promise<Rendered> {
  const { status, stdout, stderr } = await template(values, options);
  if (status !== 0) throw new Error(stderr);
  return new Rendered(stdout);
}

/** The mistakes with which the chart refuses the values, a line each; throws when it renders or fails otherwise. */
export async function mistakes(values: object, options: RenderOptions = {}): Promise<string[]> {
  const { status, stderr } = await template(values, options);
  if (status === 0) throw new Error('the chart renders these values');
  const [head, ...lines] = stderr.slice(stderr.search(/\d+ mistake\(s\)/)).split('\n');
  const count = Number(/^(\d+) mistake\(s\) in the values:$/.exec(head!)?.[1]);
  const list = lines.filter((line) => line.startsWith('- ')).map((line) => line.slice(2));
  if (list.length !== count) throw new Error(`not a list of mistakes: ${stderr}`);
  return list;
}

interface Defaults {
  models: Record<string, object>;
  servers: Record<string, object>;
}

const defaults: Defaults = parse(readFileSync(path.join(chart, 'values.yaml'), 'utf8'));

const nothing = (map: object) => Object.fromEntries(Object.keys(map).map((key) => [key, null]));

/** A model of the values, changed as a test needs it. */
export const model = (name: string, changes: object = {}) => ({
  ...{ name, pull: `base-of-${name}`, digest: '', system: '', parameters: {}, priority: 'standard' },
  ...changes,
});

/** Settings of a server; `models` is what is looked at here. */
interface Server {
  models?: string[];
}

/** What the forecaster needs, beside it. */
export const forecasting = {
  forecaster: { enabled: true },
  autoscaling: { signals: 'demand', prometheusUrl: 'http://prometheus:9090/prom' },
  monitoring: { rules: { delivery: 'configMap' } },
};

/** Values with these servers alone, each with a model of its own name, and these models beside those that they name. */
export function fleet(servers: Record<string, object>, models: Record<string, object> = {}, rest: object = {}): object {
  const filled = Object.entries(servers).map(
    ([name, server]) => [name, { models: [name], ...(server as Server) }] as const,
  );
  const named = filled.flatMap(([_, server]) => server.models).map((key) => [key, model(key)] as const);
  return {
    ...rest,
    models: { ...nothing(defaults.models), ...Object.fromEntries(named), ...models },
    servers: { ...nothing(defaults.servers), ...Object.fromEntries(filled) },
  };
}
