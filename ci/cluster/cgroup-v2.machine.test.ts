import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { amount } from '../doctor/kubernetes.ts';
import { runMachine } from '../testing/machine.ts';
import { cacheDir, root, stateDir } from '../tools/paths.ts';
import { duration, say } from '../tools/progress.ts';
import { tool, toolEnvironment } from '../tools/tools.ts';
import { ollamaImage, pauseImageArchive, serviceImage } from './images.ts';
import { folderOf } from './layout.ts';
import { seed } from './models.ts';

/** How long the machine may take, in seconds. */
const limit = 30 * 60;

// What the machine cannot fetch, having no network: it finds it where this one has it.
beforeAll(async () => {
  await Promise.all([
    toolEnvironment('cluster', 'runtime'),
    pauseImageArchive(),
    seed(),
    ollamaImage(),
    serviceImage(),
  ]);
}, 40 * 60_000);

/** What a step of the script (cgroup-v2.sh) printed, and its exit status. */
function stepOf(console: string, name: string): { lines: string[]; status: number } {
  const start = `${name}| `;
  const lines = console.split('\n').flatMap((line) => (line.startsWith(start) ? [line.slice(start.length)] : []));
  return { lines: lines.slice(0, -1), status: Number(/^exit (\d+)$/.exec(lines.at(-1) ?? '')?.[1] ?? Number.NaN) };
}

async function script(): Promise<string> {
  const variables = {
    PATH: process.env.PATH,
    HOME: homedir(),
    MODEL_MANAGEMENT_CACHE: cacheDir(),
    MODEL_MANAGEMENT_PATIENCE: '10',
    STATE: stateDir(),
    KUBECONFIG: path.join(folderOf('local'), 'kubeconfig'),
    KUBECTL: await tool('kubectl'),
    OLLAMA: (await ollamaImage()).reference,
    ROOT: root,
  };
  const quoted = (text = '') => `'${text.replaceAll("'", `'\\''`)}'`;
  const exports = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}`);
  const steps = await readFile(path.join(import.meta.dirname, 'cgroup-v2.sh'), 'utf8');
  return `${exports.join('\n')}\n${steps}`;
}

it.runIf(process.arch === 'x64')(
  'is up on a machine with control groups of version 2 alone, answers, holds its pods to their limits, and leaves nothing',
  async () => {
    const start = performance.now();
    const progress = (line: string) => say(`machine, ${duration(performance.now() - start)}: ${line}`);
    const console = await runMachine({ script: await script(), seconds: limit, onLine: progress });
    const step = (name: string) => stepOf(console, name);
    const text = (name: string) => step(name).lines.join('\n');
    const table = (name: string) => byFirstWord(step(name).lines);

    expect(text('hierarchies')).toMatch(/^cgroup2 \/sys\/fs\/cgroup$/);
    expect(step('up').status, console).toBe(0);
    expect(text('up')).toMatch(/^> .*\n\S+: [\s\S]+\n\(.* in all\)$/m);
    expect(step('status').status, console).toBe(0);
    expect(text('status')).toMatch(/^ollama-business +1\/1 \(max 2\) +ready +4 of 4 /m);

    const [ids, limits, kernel] = [table('ids'), table('limits'), table('kernel')];
    const running = [...ids].filter(([, [id]]) => kernel.has(id!));
    expect(running.map(([name]) => name).sort(), console).toEqual(['agent', 'gateway', 'ollama']);
    expect(limits.get('ollama')).toEqual(['2G', '1']);
    for (const [name, [id]] of running) {
      const [memory, cpu] = limits.get(name)!;
      expect(kernel.get(id!), name).toEqual([memoryMax(memory!), ...cpuMax(cpu)]);
    }
    expect(text('over')).toContain('OOMKilled 137');

    expect(step('down').status, console).toBe(0);
    const [before, between, after] = [step('before').lines, step('between').lines, step('after').lines];
    expect(before.length).toBeGreaterThan(10);
    for (const kind of ['group', 'link', 'namespace', 'process', 'state']) {
      const ofKind = (lines: string[]) => lines.filter((line) => line.startsWith(`${kind} `));
      expect(ofKind(between).length, kind).toBeGreaterThan(ofKind(before).length);
    }
    expect(after).toEqual(before);
  },
  (limit + 300) * 1000,
);

const byFirstWord = (lines: string[]): Map<string, string[]> =>
  new Map(lines.map((line) => line.trim().split(/\s+/)).map(([first, ...rest]) => [first!, rest]));

/** The kernel counts memory in pages. */
const memoryMax = (limit: string): string => String(Math.floor(amount(limit) / 4096) * 4096);

/** Quota and period in microseconds. */
const cpuMax = (limit: string | undefined): string[] => [limit ? String(amount(limit) * 100_000) : 'max', '100000'];
