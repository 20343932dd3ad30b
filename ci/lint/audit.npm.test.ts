// npm itself is real; the registry that it asks is one of this test.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { copyProject } from '../testing/project.ts';
import { output } from '../tools/run.ts';
import { auditFindings } from './audit.ts';

const advisory = {
  id: 1,
  url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
  title: 'Runs what it should not',
  severity: 'high',
  vulnerable_versions: '<99.0.0',
};

/** A registry that knows these advisories, by package, or refuses to say. */
async function registry(known: object | undefined) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (!request.url!.endsWith('/advisories/bulk') || !known) return void response.writeHead(405).end('{}');
    asked.push(...Object.keys(JSON.parse(gunzipSync(Buffer.concat(chunks)).toString())));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(known));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => void server.close(done));
    },
  };
}

async function audit(known: object | undefined, waivers = '[]') {
  await using copy = await copyProject(
    'ci',
    'service',
    'generator',
    'schema',
    'charts/values.yaml',
    'charts/values.schema.json',
  );
  await copy.write('ci/lint/waivers.ts', `export const waivers = ${waivers};\n`);
  await using there = await registry(known);
  const env = { ...process.env, npm_config_registry: there.url, npm_config_fetch_retries: '0' };
  const said = await output('npm', ['run', '--silent', 'audit'], { cwd: copy.root, env });
  return { ...said, asked: there.asked };
}

describe('npm run audit', () => {
  it('asks for every pinned package, and says that there is nothing', async () => {
    const { status, stdout, stderr, asked } = await audit({});
    expect([status, stdout, stderr]).toEqual([0, 'no advisory that is not answered\n', '']);
    expect(asked).toContain('zx');
    expect(asked.length).toBeGreaterThan(50);
  });

  it('fails for an advisory that nothing answers, and passes with a waiver that has an end', async () => {
    const line =
      'package-lock.json: npm zx: Runs what it should not (high, <99.0.0) (GHSA-aaaa-bbbb-cccc): mend it, or say in ci/lint/waivers.ts why not\n';
    const found = await audit({ zx: [advisory] });
    expect([found.status, found.stderr]).toEqual([1, line]);
    const until = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    const waiver = `[{ scanner: 'npm audit', rule: 'GHSA-aaaa-bbbb-cccc', objects: /^npm zx$/, why: 'of tests', until: '${until}' }]`;
    const waived = await audit({ zx: [advisory] }, waiver);
    expect([waived.status, waived.stderr]).toEqual([0, '']);
  });

  it('fails where the registry does not say', async () => {
    const { status, stderr } = await audit(undefined);
    expect(stderr).toMatch(/^audit: npm audit: no report, but: 405 Method Not Allowed.*: see whether the registry/);
    expect(status).toBe(1);
  });

  it('counts a package for what is wrong with itself, not for those that it has', () => {
    const via = { name: 'a', url: advisory.url, title: 'T', severity: 'low', range: '<2' };
    const vulnerabilities = { a: { name: 'a', via: [via] }, b: { name: 'b', via: ['a'] } };
    expect(auditFindings(JSON.stringify({ vulnerabilities })).map(({ object }) => object)).toEqual(['npm a']);
  });
});
