import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

it.each([
  ['TERM', ['sleep', '60']],
  // It does not end when it is told to.
  ['KILL', ['env', '--ignore-signal=TERM', 'sleep', '60']],
])('ends by SIG%s when the process that started it is killed', async (signal, [command, ...args]) => {
  const module = path.join(import.meta.dirname, 'mortal.ts');
  const script = `import { spawnMortal } from ${JSON.stringify(module)};
    const options = { stdio: 'ignore', detached: true };
    console.log(spawnMortal(${JSON.stringify(command)}, ${JSON.stringify(args)}, options, ${JSON.stringify(signal)}).pid);`;
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(parent.stdout, 'data');
  const child = Number(String(line));
  // It is told of its parent's end from the moment on at which it becomes the command.
  for (const deadline = Date.now() + 5000; nameOf(child) !== 'sleep' && Date.now() < deadline; ) await sleep(20);
  expect(nameOf(child)).toBe('sleep');
  parent.kill('SIGKILL');
  for (const deadline = Date.now() + 5000; alive(child) && Date.now() < deadline; ) await sleep(20);
  expect(alive(child)).toBe(false);
});
