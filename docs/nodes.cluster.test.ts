// What docs/nodes.md says that a pod takes of its node, beside CPU and memory.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Fleet, testFleet, tinyServer } from '../charts/tests/fleet.ts';
import { load } from '../charts/tests/load.ts';
import { type Resource, testCluster } from '../ci/cluster/testing.ts';
import { root } from '../ci/tools/paths.ts';

const text = readFileSync(path.join(import.meta.dirname, 'nodes.md'), 'utf8');

/** Clients that ask at the same time: half of what one replica takes, so that each has a connection to it. */
const clients = 32;

interface Taken {
  threads: number;
  files: number;
  mappings: number;
  /** Files that it may have open. */
  most: number;
}

/** What the processes of a pod take, by their commands; processes that ended meanwhile are left out. */
function takenBy(pod: Resource): Record<string, Taken> {
  const taken: Record<string, Taken> = {};
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const of = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
    try {
      if (!of('cgroup').includes(pod.metadata.uid!)) continue;
      const command = of('cmdline').split('\0');
      const name =
        /\b(gateway\/main|agent\/main|ollama runner|ollama serve)\b/.exec(command.join(' '))?.[1] ?? command[0]!;
      taken[name] = {
        threads: Number(/^Threads:\s+(\d+)/m.exec(of('status'))![1]),
        files: readdirSync(`/proc/${pid}/fd`).length,
        mappings: of('maps').trim().split('\n').length,
        most: Number(/^Max open files\s+(\d+)/m.exec(of('limits'))![1]),
      };
    } catch {}
  }
  return taken;
}

let fleet: Fleet;
beforeAll(async () => {
  fleet = await testFleet();
  await fleet.deploy(tinyServer('small', { ollama: { parallel: 4 } }));
  await fleet.untilReady('ollama-small');
  await fleet.untilGateway();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const rows = [...text.matchAll(/^\| `([^`]+)` \| (\d+) \| (\d+) \| (\d+) \|$/gm)];

it('takes what the table says, or less than twice as much', async () => {
  const [pod] = await fleet.pods('ollama-small');
  const [gateway] = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
  const running = load(await fleet.address(), Array(clients).fill('small'));
  await expect.poll(() => running.tally.whole, { timeout: 60_000 }).toBeGreaterThan(clients);
  const taken = { ...takenBy(pod!), ...takenBy(gateway!) };
  const { lost } = await running.stop();
  expect(lost).toEqual([]);
  expect(Object.keys(taken).sort()).toEqual(['/pause', ...rows.map(([, name]) => name)].sort());
  for (const [, name, threads, files, mappings] of rows) {
    const { most, ...process } = taken[name!]!;
    const said = { threads: Number(threads), files: Number(files), mappings: Number(mappings) };
    for (const what of ['threads', 'files', 'mappings'] as const) {
      expect(process[what], `${what} of ${name}`).toBeLessThan(2 * said[what]);
      expect(process[what], `${what} of ${name}`).toBeGreaterThan(said[what] / 2);
    }
    // Node and Go raise what their limit is to what it may be, which nothing in a container's image says.
    expect(most, `open files of ${name}`).toBeGreaterThan(4096);
  }
});

it('has commands that bring an image to the nodes, into a namespace that enforces restricted pods', async () => {
  const { namespace } = fleet;
  const { repository, tag } = parse(readFileSync(path.join(root, 'charts/values.yaml'), 'utf8')).serverDefaults.ollama
    .image;
  const example = readFileSync(path.join(import.meta.dirname, 'examples/image-pull.yaml'), 'utf8');
  expect(example).toContain(`image: ${repository}:${tag}\n`);
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'image-pull-'));
  const file = path.join(folder.path, 'image-pull.yaml');
  const { ollama } = await testCluster();
  writeFileSync(file, example.replace(`${repository}:${tag}`, ollama.reference));
  const [, block] = /```sh\n(.*?)```/s.exec(text)!;
  const commands = block!
    .trim()
    .split('\n')
    .map((line) => line.trim());
  expect(commands).toHaveLength(3);
  for (const command of commands) {
    const [kubectl, ...args] = command
      .replace('--namespace model-management', `--namespace ${namespace.name}`)
      .replace('docs/examples/image-pull.yaml', file)
      .split(' ');
    expect(kubectl).toBe('kubectl');
    await namespace.cluster.kubectl(args);
  }
  expect(await namespace.list('daemonsets')).toEqual([]);
});
