import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { cgroupRoot } from './cgroups.ts';
import { openCluster, startCluster, stopCluster } from './cluster.ts';
import { ollamaImage, serviceImage } from './images.ts';
import { folderOf } from './layout.ts';
import { namespace, overlay, writeOverlay } from './release.ts';
import { linksOf } from './state.ts';
import { testCluster } from './testing.ts';
import { until } from './wait.ts';

const name = `life-${process.pid}`;
afterEach(async () => {
  await stopCluster(name);
});

/** `npm run COMMAND`, until it says something that matches `stop` or for so many milliseconds; without that to its end. */
async function command(args: string[], stop?: RegExp | number): Promise<{ child: ChildProcess; said: () => string }> {
  const main = path.join(root, 'ci/cluster/main.ts');
  const child = spawn(process.execPath, [main, ...args, '--name', name], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  const ended = once(child, 'close');
  const reached = new Promise<void>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (data) => {
        said += data;
        if (stop instanceof RegExp && stop.test(said)) resolve();
      });
    }
    if (typeof stop === 'number') setTimeout(resolve, stop);
  });
  await Promise.race([ended, reached]);
  return { child, said: () => said };
}

const exitOf = async (child: ChildProcess): Promise<number | NodeJS.Signals> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return child.exitCode ?? child.signalCode!;
};

/** Processes of the cluster that run: all of them, pods included, are in its control groups. */
function processes(): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const dead = / Z /.test(readFileSync(`/proc/${entry}/stat`, 'utf8').replace(/\(.*\)/s, ''));
      return !dead && readFileSync(`/proc/${entry}/cgroup`, 'utf8').includes(cgroupRoot(name));
    } catch {
      return false;
    }
  });
}

/** Whatever of the cluster is on this machine, and what of any cluster is where only the host writes. */
function remains(): Record<string, unknown> {
  return {
    processes: processes(),
    folder: existsSync(folderOf(name)),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`/${name}/`)),
    groups: globSync(`/sys/fs/cgroup/{,*/}${cgroupRoot(name)}`),
    interfaces: linksOf(name),
    host: [
      '/var/log/containers',
      '/var/log/pods',
      '/var/lib/cni',
      '/var/lib/kubelet',
      '/run/containerd',
      '/run/netns',
    ].filter((folder) => !hostHad.includes(folder) && existsSync(folder)),
  };
}
const hostHad = [
  '/run/netns',
  '/run/containerd',
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/var/log/pods',
  '/var/log/containers',
].filter((folder) => existsSync(folder));
const nothing = { processes: [], folder: false, mounts: [], groups: [], interfaces: [], host: [] };

it('brings the release up beside another cluster, again without harm, and takes down all of it', async () => {
  const first = await command(['up']);
  expect(await exitOf(first.child), first.said()).toBe(0);
  expect(first.said()).toMatch(/^> .*\n\S+: [\s\S]*\n\(\d+ s in all\)$/m);
  expect(first.said()).toContain(`export KUBECONFIG=${folderOf(name)}/kubeconfig`);
  const again = await command(['up']);
  expect(await exitOf(again.child), again.said()).toBe(0);
  expect(again.said()).toContain('is up already');
  const status = await command(['status']);
  expect(await exitOf(status.child)).toBe(0);
  expect(status.said()).toMatch(/node-1 +Ready/);
  expect(status.said()).toMatch(/ollama-business\S* +2\/2 +Running/);
  expect(status.said()).toMatch(
    /^SERVER +PODS +STATE .*\nollama-business +1\/1 \(max 2\) +ready +4 of 4 .* legal-analysis,\S+$/m,
  );
  expect(status.said()).toMatch(
    /^gateway: 1\/1 pods ready, 0 in flight, 0 waiting, service model-management:80, no API keys$/m,
  );
  const main = path.join(root, 'ci/cluster/main.ts');
  const head = await output('sh', ['-c', `'${process.execPath}' '${main}' status --name ${name} | head -n 1`]);
  expect([head.stdout, head.stderr]).toEqual([expect.stringMatching(/^cluster \S+: up, .*\n$/), '']);
  const doctor = await output(process.execPath, [path.join(root, 'ci/doctor/main.ts'), '--name', name]);
  expect(doctor.status, doctor.stdout + doctor.stderr).toBe(0);
  expect(doctor.stdout).toContain(`The commands below are for export KUBECONFIG=${folderOf(name)}/kubeconfig`);
  expect(doctor.stdout).toMatch(/✓ ok {7}servers +1 server: 1 of 1 pod ready, for 4 models/);
  expect(processes().length).toBeGreaterThan(10);
  const down = await command(['down']);
  expect(await exitOf(down.child)).toBe(0);
  expect(remains()).toEqual(nothing);
  const gone = await command(['status']);
  expect(await exitOf(gone.child)).toBe(1);
  expect(gone.said()).toContain('is not up: npm run up');
});

it('leaves nothing behind when the release is refused, and says why', async () => {
  const { child, said } = await command(['up', '--set', 'gatewey.replicas.min=1']);
  expect(await exitOf(child)).toBe(1);
  expect(said()).toMatch(/gatewey/);
  expect(remains()).toEqual(nothing);
});

it('keeps a cluster that was up when an upgrade of its release is refused', async () => {
  const cluster = await startCluster(name);
  await cluster.keep();
  const { child } = await command(['up', '--set', 'gatewey.replicas.min=1']);
  expect(await exitOf(child)).toBe(1);
  expect(await openCluster(name)).toBeDefined();
});

it.each([
  ['at once', 300],
  ['while the node starts', 1500],
  ['while the API server starts', 3500],
  ['while the release starts', /release: installed/],
] as [string, RegExp | number][])('leaves nothing behind when it is interrupted %s', async (_, stop) => {
  const { child, said } = await command(['up'], stop);
  child.kill('SIGINT');
  // In its first moments there is nothing to take down, and it ends as any process does.
  expect([130, 'SIGINT'], said()).toContain(await exitOf(child));
  // What was just starting ends with it, which the kernel may need a moment for.
  await expect.poll(remains, { timeout: 5000 }).toEqual(nothing);
});

it('runs nothing any more when it is killed, and the next start takes away its folder', async () => {
  const { child } = await command(['up'], /node is ready/);
  child.kill('SIGKILL');
  await exitOf(child);
  expect(await until(20_000, 100, () => processes().length === 0)).toBe(true);
  const down = await command(['down']);
  expect(await exitOf(down.child)).toBe(0);
  expect(remains()).toEqual(nothing);
});

it('says in one line what it does not understand', async () => {
  const wrong = await command(['down', '--everything']);
  expect(await exitOf(wrong.child)).toBe(1);
  expect(wrong.said()).toMatch(/^--everything: not understood: .*\n$/);
  // Another user, who can read what may be in a folder of root's alone.
  const reader = ['--inh-caps', '+dac_read_search', '--ambient-caps', '+dac_read_search'];
  const main = [process.execPath, path.join(root, 'ci/cluster/main.ts'), 'up'];
  const user = await output('setpriv', ['--reuid', '65534', '--clear-groups', ...reader, ...main], {
    env: { PATH: process.env.PATH, HOME: '/nonexistent' },
  });
  expect(user.status).toBe(1);
  expect(user.stderr).toMatch(
    /^not root: .* use a cluster of your own instead, such as kind: npm run up -- --context NAME\n$/,
  );
});

it('installs into a cluster of the user by its context, and uninstalls from it', async () => {
  const { kubeconfig, kubectl, loadImages } = await testCluster();
  const images = { ollama: await ollamaImage(), service: await serviceImage() };
  await loadImages(images.ollama, images.service);
  const folder = await mkdtemp(path.join(tmpdir(), 'lifecycle-'));
  const context = await kubectl(['config', 'current-context']);
  const main = (...args: string[]) =>
    output(process.execPath, [path.join(root, 'ci/cluster/main.ts'), ...args, '--context', context], {
      env: { ...process.env, KUBECONFIG: kubeconfig },
    });
  try {
    const up = await main('up', '--values', writeOverlay(folder, overlay(images)));
    expect(up.status, up.stderr).toBe(0);
    expect(up.stdout).toMatch(/^> .*\n\S+: [\s\S]*\n\(\d+ s in all\)$/m);
    const status = await main('status');
    expect(status.status, status.stderr).toBe(0);
    expect(status.stdout).toMatch(/ollama-business\S* +2\/2 +Running/);
    expect(status.stdout).toMatch(/^ollama-business +1\/1 \(max 2\) +ready +4 of 4 /m);
  } finally {
    const down = await main('down');
    expect(down.status, down.stderr).toBe(0);
    await rm(folder, { recursive: true });
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  }
});
