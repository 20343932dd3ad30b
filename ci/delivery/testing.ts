import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../charts/tests/fleet.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { root } from '../tools/paths.ts';

/** How a deployment ended. */
export interface Deployed {
  status: number | null;
  /** All that it said. */
  said: string;
}

export interface DeployOptions {
  /** Options of the command, beside those that lead to the fleet. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Ends it and all that it runs as soon as it says this, and once this is so; by a signal that leaves it no choice unless said. */
  killAt?: RegExp;
  killWhen?: () => Promise<boolean>;
  signal?: NodeJS.Signals;
  /** Told of every line. */
  onLine?: (line: string) => void;
}

/** `npm run deploy` for a fleet of the tests, with these values over the fleet's own. */
export async function deployTo(fleet: Fleet, values: ValuesOverrides, options: DeployOptions = {}): Promise<Deployed> {
  const { name } = fleet.namespace.cluster;
  const quiet = { servers: { 'ollama-business': { enabled: false } } };
  const file = fleet.valuesFile(mergeValues(quiet, values) as ValuesOverrides);
  const where = ['--env', 'local', '--name', name, '--namespace', fleet.namespace.name, '--release', 'fleet'];
  const args = [...where, '--values', file, '--yes', ...(options.args ?? [])];
  // One that is killed removes nothing.
  await using temporary = await mkdtempDisposable(path.join(tmpdir(), 'deploy-'));
  const child = spawn(process.execPath, [path.join(root, 'ci/delivery/deploy.ts'), ...args], {
    cwd: root,
    env: { ...process.env, TMPDIR: temporary.path, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, which a terminal would interrupt and a machine takes down with it.
    detached: true,
  });
  let said = '';
  const end = async () => {
    while (child.exitCode === null && !((await options.killWhen?.()) ?? true)) await sleep(10);
    if (child.exitCode === null) process.kill(-child.pid!, options.signal ?? 'SIGKILL');
  };
  let ended: Promise<void> | undefined;
  const read = (data: Buffer) => {
    said += data;
    for (const line of String(data)
      .split('\n')
      .filter((each) => each.startsWith('deploy: '))) {
      options.onLine?.(line);
      if (options.killAt?.test(line)) ended ??= end();
    }
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  await ended;
  return { status, said };
}

const began = performance.now();
/** For `onLine`: says it with the time, for whoever reads the log of a test. */
export const tell = (line: string) => console.log(`${Math.round((performance.now() - began) / 1000)} s: ${line}`);

/** The gateways that there are, and which of them the Service leads to. */
export async function gateways({ namespace }: Fleet): Promise<{ there: string[]; active: string }> {
  const deployments = await namespace.list('deployments', 'app.kubernetes.io/component=gateway');
  const service = await namespace.get('service', 'model-management');
  return {
    there: deployments.map(({ metadata }) => metadata.name.replace('model-management-', '')).sort(),
    active: service.spec.selector['model-management.fineprint.ai/colour'] ?? 'all',
  };
}

/** Whether Helm is at an upgrade or a rollback of a fleet, or was killed at it. */
export const pendingRevision = async ({ namespace }: Fleet, kind: 'upgrade' | 'rollback'): Promise<boolean> =>
  (await namespace.list('secrets', `owner=helm,status=pending-${kind}`)).length > 0;

/**
 * A version that only clients find out to be bad: it asks for keys, and only the deployment has one. Values over those of a fleet,
 * and what the deployment has in its environment.
 */
export async function refusing({
  namespace,
}: Fleet): Promise<{ values: ValuesOverrides; env: Record<string, string> }> {
  const key = 'a-key-that-clients-do-not-have';
  const sha256 = createHash('sha256').update(key).digest('hex');
  await namespace.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys' },
    stringData: { 'keys.json': JSON.stringify({ keys: [{ name: 'deploy', sha256 }] }) },
  });
  return {
    values: { gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } } },
    env: { MODEL_MANAGEMENT_API_KEY: key },
  };
}
