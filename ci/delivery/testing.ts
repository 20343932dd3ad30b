import { spawn } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Fleet } from '../../charts/tests/fleet.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { testCluster } from '../cluster/testing.ts';
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
  /** Kills it, without mercy, as soon as it says this. */
  killAt?: RegExp;
  /** Told of every line. */
  onLine?: (line: string) => void;
}

/** `npm run deploy` for a fleet of the tests, with these values over the fleet's own. */
export async function deployTo(fleet: Fleet, values: ValuesOverrides, options: DeployOptions = {}): Promise<Deployed> {
  const { name } = await testCluster();
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
  });
  let said = '';
  const read = (data: Buffer) => {
    said += data;
    for (const line of String(data)
      .split('\n')
      .filter((each) => each.startsWith('deploy: '))) {
      options.onLine?.(line);
      if (options.killAt?.test(line)) child.kill('SIGKILL');
    }
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { status, said };
}
