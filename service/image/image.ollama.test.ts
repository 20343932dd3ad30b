import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceImage } from '../../ci/cluster/images.ts';
import { requireSystem } from '../../ci/tools/packages.ts';
import { run } from '../../ci/tools/run.ts';
import { get, jsonOf, post, until } from '../testing/client.ts';
import { Entry } from '../testing/entry.ts';
import { agentConfig, gatewayConfig } from '../testing/hops.ts';
import { RealOllama } from '../testing/ollama.ts';
import { UnpackedImage } from '../testing/unpacked-image.ts';
import { ownArchitecture } from './context.ts';
import { sbom } from './sbom.ts';

/** The other architecture than this machine's, whose image the cluster's tests do not see. */
const other = {
  amd64: { name: 'arm64', emulator: 'qemu-aarch64-static', machine: 183 },
  arm64: { name: 'amd64', emulator: 'qemu-x86_64-static', machine: 62 },
} as const;
const { name, emulator, machine } = other[ownArchitecture];

/** The files of a folder that are made for a processor, and which: the number that ELF has for it. */
function machines(folder: string): [file: string, machine: number][] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.flatMap((entry) => {
    const file = path.join(entry.parentPath, entry.name);
    const head = Buffer.alloc(20);
    const handle = openSync(file, 'r');
    readSync(handle, head);
    closeSync(handle);
    return head.toString('latin1', 0, 4) === '\x7fELF' ? [[path.relative(folder, file), head.readUInt16LE(18)]] : [];
  });
}

const minute = 60_000;

describe(`the image for ${name}`, () => {
  let image: UnpackedImage;
  beforeAll(async () => {
    await requireSystem([emulator]);
    const { archive } = await serviceImage(name);
    image = await UnpackedImage.open(archive, await run('sh', ['-c', `command -v ${emulator}`]));
  }, 10 * minute);
  afterAll(() => image?.[Symbol.asyncDispose]());

  it('says that it is for that, and runs Node as a user that is not root', () => {
    expect(image.about).toMatchObject({
      architecture: name,
      os: 'linux',
      config: {
        User: '10001:10001',
        WorkingDir: '/app',
        Entrypoint: expect.arrayContaining(['/usr/local/bin/node']),
        ExposedPorts: { '8080/tcp': {}, '9090/tcp': {} },
      },
    });
  });

  it('holds nothing that is made for another processor', () => {
    const made = machines(image.root).filter(([file]) => file !== 'emulator');
    expect(made.map(([file]) => file)).toContain('usr/local/bin/node');
    expect(made.filter(([, of]) => of !== machine)).toEqual([]);
  });

  it('holds the packages that its bill of materials names, and no other', async () => {
    const { components } = await sbom();
    const modules = path.join(image.root, 'app/node_modules');
    const folders = readdirSync(modules, { recursive: true, encoding: 'utf8' })
      .filter((file) => /(^|node_modules\/)(@[^/]+\/)?[^/]+\/package\.json$/.test(file))
      .map((file) => JSON.parse(readFileSync(path.join(modules, file), 'utf8')) as { name: string; version: string });
    const there = new Set(folders.map(({ name, version }) => `${name}@${version}`));
    const named = components.filter(({ name }) => name !== 'service');
    // Node is that of the project, which runs this.
    there.add(`node@${process.versions.node}`);
    expect(new Set(named.map(({ name, version }) => `${name}@${version}`))).toEqual(there);
    expect(named.filter(({ licenses }) => !licenses?.length)).toEqual([]);
  });

  it('answers by a real Ollama behind its agent behind its gateway, and ends when it is told to', {
    timeout: 6 * minute,
  }, async () => {
    await using ollama = await RealOllama.start(['team/small:latest']);
    const models = { small: { name: 'team/small:latest' } };
    const now = ['--drain-delay', '0'];
    await using agent = await Entry.startIn(image, 'agent', agentConfig(ollama.url, models), ...now);
    await using gateway = await Entry.startIn(image, 'gateway', gatewayConfig({ small: agent.url }), ...now);
    for (const { url, metricsUrl } of [agent, gateway]) {
      expect((await get(`${url}/health/live`)).status).toBe(200);
      await until(async () => (await get(`${url}/health/ready`)).status === 200, minute);
      expect((await get(metricsUrl)).text).toMatch(/^nodejs_version_info\{version="v24\./m);
    }
    const messages = [{ role: 'user', content: 'What do you do?' }];
    const options = { num_predict: 8, seed: 1, temperature: 0 };
    const chat = await post(`${gateway.url}/api/chat`, { model: 'small', messages, options, stream: false });
    expect(jsonOf(chat)).toMatchObject({ done: true, message: { role: 'assistant' }, eval_count: expect.any(Number) });
    const streamed = await post(`${gateway.url}/v1/chat/completions`, {
      model: 'small',
      messages,
      stream: true,
      max_tokens: 8,
    });
    expect(streamed.body.toString()).toMatch(/^data: \{[\s\S]*\n\ndata: \[DONE\]\n\n$/);
    for (const entry of [gateway, agent]) {
      entry.signal('SIGTERM');
      expect(await entry.ended()).toBe(0);
      expect(entry.logged('stopped')).toHaveLength(1);
    }
  });
});
