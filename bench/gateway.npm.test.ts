import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { copyProject } from '../ci/testing/project.ts';
import { root } from '../ci/tools/paths.ts';
import { toolFamily } from '../ci/tools/tools.ts';
import { killer, processIds } from './gateway/usage.ts';
import type { Figure } from './measure.ts';

// The tools may have to be built first.
beforeAll(async () => void (await toolFamily('bench')), 10 * 60_000);

it('measures gateway and agent, and says what it found', async () => {
  await using project = await copyProject('bench', 'charts', 'ci', 'environments', 'generator', 'schema', 'service');
  const options = ['--rounds', '1', '--seconds', '0.5', '--candidates', 'direct,agent'];
  const { stdout, stderr } = await project.npm('bench', 'gateway', '--only', 'rates,fairness', ...options);
  expect(stdout, stderr).toMatch(/^FIGURE +VALUE/);
  const { figures } = JSON.parse(await project.read('bench/results/gateway.json')) as { figures: Figure[] };
  const value = (what: string) => figures.find((figure) => figure.what === what)?.value;
  for (const title of ['direct', 'gateway and agent']) {
    expect(value(`500/s, ${title}: p50`), title).toBeGreaterThan(0);
    expect(value(`500/s, ${title}: errors`), title).toBe(0);
  }
  expect(value('500/s, gateway and agent: CPU of agent for 1,000 requests')).toBeGreaterThan(0);
  expect(value('batch at 10 times capacity, gateway and agent: batch answered')).toBeGreaterThan(0);
  expect(value('batch at 10 times capacity, gateway and agent: interactive errors')).toBe(0);
});

it('leaves nothing behind when it is stopped', async () => {
  const args = ['bench/main.ts', 'gateway', '--only', 'soak', '--minutes', '5'];
  const bench = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  bench.stderr!.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const children = () => processIds(bench.pid!).filter((pid) => pid !== bench.pid);
  const command = (pid: number) => path.basename(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]!);
  // Ollama, agent, gateway, and what reads the streams.
  while (!children().some((pid) => command(pid) === 'stream-load')) {
    expect(bench.exitCode, said).toBeNull();
    await sleep(100);
  }
  const started = children();
  const killRest = killer(bench.pid!);
  expect(started).toHaveLength(4);
  bench.kill('SIGTERM');
  const [status] = await once(bench, 'exit');
  const left = started.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
  killRest();
  expect(left).toEqual([]);
  expect(status).toBe(1);
  expect(said).toContain('stopped by SIGTERM');
});
