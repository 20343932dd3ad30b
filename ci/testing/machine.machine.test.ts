import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { userModeLinux } from './machine/kernel.ts';
import { runMachine } from './machine.ts';

const minute = 60_000;
const processes = async () => (await output('pgrep', ['--full', 'machine[.]script='])).stdout;
const ownFolders = () => globSync(path.join(tmpdir(), 'model-management-test-*/script.sh'));

beforeAll(async () => void (process.arch === 'x64' && (await userModeLinux())), 40 * minute);

it.runIf(process.arch === 'x64')(
  'runs a script over what this machine has, and changes nothing of it',
  async () => {
    const file = path.join(root, 'written-in-a-machine');
    const script = `
    cat ${root}/package.json
    echo written > ${file}; cat ${file}
    echo routes: $(ip route | wc -l)
    echo groups: $(cat /sys/fs/cgroup/cgroup.controllers)`;
    const before = await processes();
    const console = await runMachine({ script, seconds: 120 });
    expect(console).toContain('"name": "model-management"');
    expect(console).toMatch(/^written\nroutes: 0\ngroups: cpu io memory pids$/m);
    expect(globSync(file)).toEqual([]);
    expect(await processes()).toBe(before);
  },
  3 * minute,
);

it.runIf(process.arch === 'x64')(
  'ends a machine whose time is up, and shows what was on its console',
  async () => {
    const [before, folders] = [await processes(), ownFolders()];
    const script = 'sleep 10000 & echo it has begun; sleep 10000';
    const ended = runMachine({ script, seconds: 20 });
    await expect(ended).rejects.toThrow(/not within 20 s\n[\s\S]*it has begun/);
    await expect.poll(processes).toBe(before);
    expect(ownFolders()).toEqual(folders);
  },
  3 * minute,
);
