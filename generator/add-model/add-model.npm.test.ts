// What a platform engineer does: each test works on a copy of the project and runs `npm run add-model` in it.
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { writeHollowModel } from '../../ci/testing/hollow-model.ts';
import { copyProject, type ProjectCopy } from '../../ci/testing/project.ts';
import { listen } from '../../ci/testing/range-server.ts';
import { run } from '../../ci/tools/run.ts';
import { tinyModel } from '../../service/testing/tiny-model.ts';
import { publishedModels } from '../memory/published.ts';

const copy = () =>
  copyProject(
    'schema',
    'generator',
    'environments',
    'charts',
    'service/config.schema.json',
    'ci/testing',
    'biome.json',
  );
const registry = async (project: ProjectCopy) => (await readdir(path.join(project.root, 'generator/registry'))).sort();

async function tinyFile(project: ProjectCopy, name = 'tiny.gguf'): Promise<string> {
  const file = path.join(project.root, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, tinyModel());
  return file;
}

// The longest starts eight processes one after the other, while other tests start theirs.
describe.concurrent('npm run add-model', { timeout: 180_000 }, () => {
  it('writes a registry file from a local GGUF file that gen-values takes, the formatter and the compiler too', async () => {
    await using project = await copy();
    const { status, stdout, stderr } = await project.npm('add-model', await tinyFile(project), '--name', 'tiny');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^wrote generator\/registry\/tiny\.ts: look it over, .+ `npm run gen-values`\n$/);
    expect(await project.npm('gen-values')).toMatchObject({ status: 0, stderr: '' });
    const { models, servers } = parse(await project.read('charts/values.yaml'));
    expect(models.tiny).toMatchObject({ pull: 'tiny', priority: 'standard' });
    expect(servers['ollama-tiny'].ollama).toMatchObject({ contextLength: 2048, parallel: 1 });
    await run('npx', ['biome', 'check', '--vcs-enabled=false', 'generator/registry/tiny.ts'], { cwd: project.root });
    const one = { extends: './tsconfig.json', include: ['generator/registry/tiny.ts'] };
    await project.write('tsconfig.one.json', JSON.stringify(one));
    await run('npx', ['tsc', '--noEmit', '--project', 'tsconfig.one.json'], { cwd: project.root });
  });

  it('reads no more than the header of a large model on another machine, through a redirect, and names it by its address', async () => {
    await using project = await copy();
    const model = (await publishedModels()).get('qwen3:30b')!;
    const { file, bytes } = await writeHollowModel(project.root, model);
    await using blobs = await listen(file);
    await using models = await listen(
      createServer(({ url }, response) => void response.writeHead(302, { location: `${blobs.url}${url}` }).end()),
    );
    const address = `${models.url}/v2/library/qwen3/blobs/sha256:${'0'.repeat(64)}`;
    const { status, stdout, stderr } = await project.npm('add-model', address);
    expect([status, stderr, stdout]).toEqual([0, '', expect.stringContaining('generator/registry/qwen3.ts')]);
    const text = await project.read('generator/registry/qwen3.ts');
    expect(text).toContain('experts: { count: 128, used: 8 },\n');
    expect(text).toContain(`source:\n      'header of ${address}',\n`);
    expect(text).toContain("gpu: { type: 'L4', count: 1 },\n");
    const read = blobs.ranges.map(
      (range) => /^bytes=(\d+)-(\d+)$/.exec(range)!.slice(1).map(Number) as [number, number],
    );
    expect(Math.max(...read.map(([, last]) => last))).toBeLessThan(bytes / 500);
    expect(await project.npm('gen-values')).toMatchObject({ status: 0, stderr: '' });
    await run('npx', ['biome', 'check', '--vcs-enabled=false', 'generator/registry/qwen3.ts'], { cwd: project.root });
  });

  it('takes what it is called from the header when nothing else is said', async () => {
    await using project = await copy();
    const model = (await publishedModels()).get('llama3.2:1b')!;
    const { file } = await writeHollowModel(project.root, model);
    expect((await project.npm('add-model', file)).status).toBe(0);
    expect(await project.read('generator/registry/llama3-2-1b.ts')).toContain("name: 'llama3-2-1b'");
  });

  it('overwrites nothing', async () => {
    await using project = await copy();
    const before = await project.read('generator/registry/llama.ts');
    const { status, stdout, stderr } = await project.npm('add-model', await tinyFile(project), '--name', 'llama');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      'add-model: generator/registry/llama.ts: is there already: give this one another key with --name\n',
    );
    expect(await project.read('generator/registry/llama.ts')).toBe(before);
  });

  it('refuses in one line what is no whole GGUF file, or could not be in the registry, and writes nothing', async () => {
    await using project = await copy();
    const before = await registry(project);
    const whole = await tinyFile(project);
    const cut = await tinyFile(project, 'cut.gguf');
    await truncate(cut, 200_000);
    for (const [args, problem] of [
      [[path.join(project.root, 'package.json')], /package\.json: is no GGUF file: /],
      [[path.join(project.root, 'none.gguf')], /none\.gguf: there is no such file/],
      [[cut], /cut\.gguf: is cut off: it has 200000 bytes of \d+: download it again/],
      [[whole, '--name', '../escape'], /model '\.\.\/escape': its file name cannot be a key: /],
      [[whole, '--name', 'Tiny'], /model 'Tiny': its file name cannot be a key: /],
      [[whole, '--nmae', 'x'], /--nmae/],
      [[], /name one GGUF file or its URL: npm run add-model -- FILE_OR_URL \[--name KEY\]/],
    ] as const) {
      const { status, stdout, stderr } = await project.npm('add-model', ...args);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(problem);
      expect(stderr).toMatch(/^add-model: [^\n]+\n$/);
    }
    expect(await registry(project)).toEqual(before);
  });
});
