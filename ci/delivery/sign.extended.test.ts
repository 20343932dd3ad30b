import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { Registry } from '../../charts/tests/registry.ts';
import { root } from '../tools/paths.ts';
import { output, run } from '../tools/run.ts';
import { tool, toolFamily } from '../tools/tools.ts';

const env = { ...process.env, COSIGN_PASSWORD: 'of a test' };
const npm = (...args: string[]) => output('npm', ['run', '--silent', ...args], { cwd: root, env });

beforeAll(() => toolFamily('signing'), 30 * 60_000);

it('npm run sign signs the chart that was published, by a key: another key and another chart are refused', async () => {
  await using registry = await Registry.start();
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'sign-'));
  const cosign = await tool('cosign');
  const publish = async (version: string) => {
    const to = `oci://${registry.host}/charts`;
    const { stdout } = await npm('publish-chart', '--', to, '--version', version, '--plain-http');
    return `${registry.host}/charts/model-management@${/^digest=(\S+)$/m.exec(stdout)![1]}`;
  };
  const [chart, unsigned] = [await publish('1.2.3'), await publish('1.2.4')];
  for (const name of ['ours', 'other']) {
    await run(cosign, ['generate-key-pair', '--output-key-prefix', name], { cwd: folder.path, env });
  }
  const key = (name: string) => path.join(folder.path, name);
  const signed = await npm('sign', '--', chart, '--key', key('ours.key'), '--plain-http');
  expect(signed).toMatchObject({ status: 0, stdout: `${chart}: signed\n` });

  // As docs/security.md says it, but for the registry without TLS.
  const verify = (name: string, reference: string) =>
    output(cosign, ['verify', '--key', key(name), '--insecure-ignore-tlog', '--allow-http-registry', reference]);
  const good = await verify('ours.pub', chart);
  expect(good.stderr).toContain('The signatures were verified against the specified public key');
  expect(JSON.parse(good.stdout)[0].critical.image['docker-manifest-digest']).toBe(chart.split('@')[1]);
  expect((await verify('other.pub', chart)).status).not.toBe(0);
  expect((await verify('ours.pub', unsigned)).stderr).toMatch(/no (matching )?signatures/);
});

it.each([
  [['localhost:1/a:1'], 'localhost:1/a:1: has no digest: write REPOSITORY@sha256:…'],
  [
    [`localhost:1/a@sha256:${'0'.repeat(64)}`, '--key', '/nosuch'],
    `localhost:1/a@sha256:${'0'.repeat(64)}: is not signed: `,
  ],
])('says in a line why it does not sign %j', async (args, line) => {
  const { status, stdout, stderr } = await npm('sign', '--', ...args);
  expect(stderr).toContain(`sign: ${line}`);
  expect([status, stdout]).toEqual([1, '']);
});
