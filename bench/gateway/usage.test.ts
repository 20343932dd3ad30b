import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { cpuSeconds, killer, memoryMB, openSockets, parseBusy, parseStat } from './usage.ts';

it('reads parent, begin and CPU time of a process whatever its command is called', () => {
  const rest = 'S 7 1 1 0 -1 4194560 1 0 0 0 150 50 25 75 20 0 1 0 4711 1 1';
  expect(parseStat(`42 (node) ${rest}`)).toEqual({ parent: 7, began: 4711, cpuSeconds: 3 });
  expect(parseStat(`42 (a) b (c d) ${rest}`)).toEqual({ parent: 7, began: 4711, cpuSeconds: 3 });
});

it('takes for busy all but idling and waiting for disks', () => {
  expect(parseBusy('cpu  100 200 300 9000 9000 50 25 25 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n')).toBe(7);
});

it('counts in what a process has started, and can end that when the process itself has ended', async () => {
  // A shell whose child burns, and which leaves it behind.
  const script = 'sh -c "while :; do :; done" & echo $!; read line';
  const shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(shell.stdout, 'data');
  const child = Number(String(line));
  const kill = killer(shell.pid!);
  const before = cpuSeconds(shell.pid!);
  while (cpuSeconds(shell.pid!) < before + 0.05) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(cpuSeconds(child)).toBeGreaterThan(0);
  expect(memoryMB(shell.pid!)).toBeGreaterThan(memoryMB(child));
  shell.stdin.end();
  await once(shell, 'exit');
  expect(memoryMB(child)).toBeGreaterThan(0);
  kill();
  while (cpuSeconds(child) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(memoryMB(child)).toBe(0);
});

it('counts sockets', async () => {
  const before = openSockets(process.pid);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(server.address() as { port: number });
  const [accepted] = await once(server, 'connection');
  expect(openSockets(process.pid) - before).toBe(3);
  client.destroy();
  accepted.destroy();
  server.close();
});
