import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { fakeLabel, fakeTaint } from '../cluster/fake-nodes.ts';
import { isReady, type Namespace, type Resource } from '../cluster/namespace.ts';
import { root } from '../tools/paths.ts';
import { run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { testDigests } from './digests.ts';

const read = (file: string) => parse(readFileSync(path.join(root, file), 'utf8'));
const production = read('environments/production/values.yaml');
const defaults = read('charts/values.yaml');

const onFakeNodes = { nodeSelector: fakeLabel, tolerations: [{ ...fakeTaint, operator: 'Exists' }] };

/** Production, on fake nodes alone, and without what operators would have to be there for. */
const values: ValuesOverrides = {
  image: { repository: 'example.com/service', tag: '1' },
  ingress: { enabled: false },
  // What is asked of fakes is nothing: there would be no metrics.
  autoscaling: { signals: 'cpu' },
  forecaster: { enabled: false },
  monitoring: { scrape: { method: 'none' }, rules: { delivery: 'none' }, dashboards: { delivery: 'none' } },
  serverDefaults: { scheduling: onFakeNodes as never },
  gateway: { scheduling: onFakeNodes as never },
};

/** Bounds of the replicas of every server by name, and of the gateway. */
export const replicasOf: Record<string, { min: number; max: number }> = {
  ...Object.fromEntries(
    Object.entries<Resource>(defaults.servers).map(
      ([
        name,
        {
          replicas: { min, max },
        },
      ]) => [name, { min, max }],
    ),
  ),
  gateway: production.gateway.replicas,
};

/** As many pods as there may be, or as few: what autoscalers would come to, which see no load of pods that do not run. */
export function held(at: 'min' | 'max'): ValuesOverrides {
  const { gateway, ...servers } = Object.fromEntries(
    Object.entries(replicasOf).map(([name, bounds]) => [name, { replicas: { min: bounds[at], max: bounds[at] } }]),
  );
  return { servers, gateway: gateway! };
}

/** Production at its full size on fake nodes: the chart, and what becomes of its pods. */
export interface FullSize extends Disposable {
  /** Installs or upgrades with these values over production's, waits for nothing, and gives the time at which it began. */
  deploy(...more: ValuesOverrides[]): Promise<number>;
  /** Its pods, those that end left out. */
  pods(): Promise<Resource[]>;
  /** Waits until each server and the gateway has so many ready pods and no other, and gives them with the seconds since `start`. */
  settled(at: 'min' | 'max', start: number): Promise<{ pods: Resource[]; seconds: number }>;
}

/** Name of the server that a pod is of, or `gateway`. */
export const serverOf = (pod: Resource): string =>
  pod.metadata.labels['model-management.fineprint.ai/server'] ?? 'gateway';

export function fullSize(namespace: Namespace): FullSize {
  const folder = mkdtempSync(path.join(tmpdir(), 'full-size-'));
  const pods = async () => (await namespace.list('pods')).filter((pod) => !pod.metadata.deletionTimestamp);
  return {
    pods,
    deploy: async (...more) => {
      const file = path.join(folder, 'values.yaml');
      writeFileSync(
        file,
        stringify([testDigests, values, ...more].reduce((base, over) => mergeValues(base, over) as object, {})),
      );
      const start = performance.now();
      await run(
        await tool('helm'),
        [
          ...['--namespace', namespace.name, 'upgrade', '--install', 'production', path.join(root, 'charts')],
          ...['--values', path.join(root, 'environments/production/values.yaml'), '--values', file],
        ],
        { env: namespace.cluster.env },
      );
      return start;
    },
    settled: async (at, start) => {
      const found = await namespace.until(`the ${at === 'min' ? 'fewest' : 'most'} pods`, 180, async () => {
        const found = await pods();
        const count = (name: string) => found.filter((pod) => serverOf(pod) === name && isReady(pod)).length;
        const all = Object.entries(replicasOf).every(([name, bounds]) => count(name) === bounds[at]);
        return all && found.every(isReady) && found;
      });
      return { pods: found as Resource[], seconds: Math.round((performance.now() - start) / 1000) };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
