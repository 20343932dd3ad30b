// docs/air-gapped.md, done as it says: the registry and nginx with those configurations, Ollama with those commands, and the chart with
// those values. Of the names and ports alone there are others.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Downloader } from '../charts/tests/downloader.ts';
import { model } from '../charts/tests/render.ts';
import { selfSigned } from '../ci/testing/certificate.ts';
import { spawnMortal } from '../ci/testing/mortal.ts';
import { requireSystem } from '../ci/tools/packages.ts';
import { run } from '../ci/tools/run.ts';
import { tool } from '../ci/tools/tools.ts';
import { until } from '../service/testing/client.ts';
import { RealOllama } from '../service/testing/ollama.ts';
import { freePort } from '../service/testing/ports.ts';

const text = readFileSync(path.join(import.meta.dirname, 'air-gapped.md'), 'utf8');
const block = (language: string, of: RegExp): string =>
  [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].find(([, name, body]) => name === language && of.test(body!))![2]!;

const folder = mkdtempSync(path.join(tmpdir(), 'air-gapped-'));
const at = (...steps: string[]) => path.join(folder, ...steps);
const processes: ChildProcess[] = [];
/** The hosts of the registry and of its blobs, as the page calls them and as they are called here. */
let names: Record<string, string>;

const told = (words: string) => Object.entries(names).reduce((all, [name, here]) => all.replaceAll(name, here), words);

beforeAll(async () => {
  await requireSystem(['/usr/sbin/nginx', 'curl']);
  const [registry, blobs, inner] = [await freePort(), await freePort(), await freePort()];
  names = {
    'registry.example.com': `127.0.0.1:${registry}`,
    'blobs.example.com': `localhost:${blobs}`,
    '127.0.0.1:5000': `127.0.0.1:${inner}`,
    '/var/lib/registry': at('registry'),
    '/etc/nginx/tls': at('tls'),
  };
  mkdirSync(at('registry'));
  await selfSigned(folder, 'IP:127.0.0.1', 'DNS:localhost');
  writeFileSync(at('config.yml'), told(block('yaml', /redirect/)));
  const environment = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
  processes.push(
    spawnMortal(await tool('registry'), ['serve', at('config.yml')], { env: environment, stdio: 'ignore' }),
  );
  // The names have ports of their own here, and are at one address.
  const [first, second] = block('nginx', /server_name/)
    .split(/^server /m)
    .slice(1)
    .map((server) => `server ${server}`);
  const servers = [
    first!.replace('listen 443', `listen 127.0.0.1:${registry}`),
    second!.replace('listen 443', `listen localhost:${blobs}`),
  ].map((server) => told(server).replaceAll(/server_name \S+;/g, 'server_name _;'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${at(name)};`,
  );
  writeFileSync(
    at('nginx.conf'),
    `pid ${at('nginx.pid')};\nerror_log ${at('nginx.log')};\nevents {}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${servers.join('')}}\n`,
  );
  processes.push(
    spawnMortal('/usr/sbin/nginx', ['-c', at('nginx.conf'), '-g', 'daemon off; master_process off;'], {
      stdio: 'ignore',
    }),
  );
  const ask = [
    '--silent',
    '--fail',
    '--output',
    at('answer'),
    '--cacert',
    at('tls.crt'),
    told('https://registry.example.com/v2/'),
  ];
  await until(() =>
    run('curl', ask).then(
      () => true,
      () => false,
    ),
  );
});
afterAll(async () => {
  // nginx has one process here, and no workers that would outlive it.
  for (const process of processes.filter(({ exitCode }) => exitCode === null)) {
    process.kill('SIGKILL');
    await once(process, 'exit');
  }
  rmSync(folder, { recursive: true });
});

it('has a registry that takes what is pushed, and that the chart pulls from', async () => {
  const ollama = await tool('ollama');
  {
    await using source = await RealOllama.start(['llama3:70b'], { SSL_CERT_FILE: at('tls.crt') });
    for (const command of told(block('sh', /ollama push/))
      .trim()
      .split('\n')) {
      const [program, ...args] = command.split(' ');
      expect(program).toBe('ollama');
      await run(ollama, args, { env: { ...process.env, OLLAMA_HOST: source.url } });
    }
  }
  const { modelRegistry } = parse(told(block('yaml', /caBundle/)));
  const environment = {
    PATH: `${path.dirname(ollama)}:${process.env.PATH}`,
    OLLAMA_HOST: `127.0.0.1:${await freePort()}`,
    SSL_CERT_FILE: at('tls.crt'),
  };
  using downloader = await Downloader.of({ big: model('big', { pull: 'llama3:70b' }) }, { modelRegistry }, environment);
  expect(await downloader.run('pull')).toMatchObject({
    status: 0,
    log: expect.stringMatching(/pulling 127\.0\.0\.1:\d+\/library\/llama3:70b(.|\n)*big: big is on disk/),
  });
});

it('lists the images of a release', async () => {
  const command = block('sh', /helm template/)
    .trim()
    .replace(/^helm/, await tool('helm'))
    .replace(' --values my.yaml', '');
  const listed = await run('bash', ['-c', command], { cwd: path.join(import.meta.dirname, '..') });
  expect(
    listed
      .trim()
      .split('\n')
      .map((image) => image.replace(/[:@].*/, '')),
  ).toEqual(['model-management', 'ollama/ollama']);
});
