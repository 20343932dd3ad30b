import { mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../testing/client.ts';
import { FakeOllama } from '../testing/fake-ollama.ts';
import { agentConfig, startAgent } from '../testing/hops.ts';
import { freePort } from '../testing/ports.ts';
import { Downloads } from './downloads.ts';

const began = 1_700_000_000;

let folder: string;
let failures: string[];
let isWanted: boolean;
let downloads: Downloads;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'downloads-'));
  for (const name of ['.model-management', 'blobs']) mkdirSync(path.join(folder, name));
  failures = [];
  isWanted = true;
  downloads = start();
});
afterEach(() => {
  downloads.stop();
  rmSync(folder, { recursive: true });
});

const start = () =>
  new Downloads({
    folder,
    isWanted: () => isWanted,
    onFailure: (model, reason) => failures.push(`${model}: ${reason}`),
  });

/** Tells as the model-downloader does. */
function tell(more: Record<string, string | number>): void {
  const words = { model: 'llama', attempt: 1, attempts: 5, since: began, failures: 0, reason: '', error: '', ...more };
  const lines = Object.entries(words).map(([word, value]) => `${word} ${value}`);
  writeFileSync(path.join(folder, '.model-management/.progress'), `${[...lines, 'end'].join('\n')}\n    \n`);
}

/** Puts a blob on the disk, of so many bytes of which so many are there, last written so long after the pull began. */
function blob(digit: string, { size, there = size, partial = false, after = 1 }: Blob): void {
  const file = path.join(folder, 'blobs', `sha256-${digit.repeat(64)}${partial ? '-partial' : ''}`);
  writeFileSync(file, Buffer.alloc(there, 1));
  truncateSync(file, size);
  utimesSync(file, began + after, began + after);
}

interface Blob {
  size: number;
  there?: number;
  partial?: boolean;
  after?: number;
}

const kib = 1024;

describe('what a download has brought', () => {
  it('is the blocks of the layer that arrives, of its whole size, and what is complete', async () => {
    tell({ state: 'pulling', attempt: 2 });
    blob('a', { size: 1024 * kib, there: 256 * kib, partial: true });
    blob('b', { size: 8 * kib });
    writeFileSync(path.join(folder, 'blobs', `sha256-${'a'.repeat(64)}-partial-0`), '{"N":0,"Completed":7}');
    expect(await downloads.status()).toEqual({
      state: 'pulling',
      model: 'llama',
      attempt: 2,
      attempts: 5,
      bytes: 264 * kib,
      totalBytes: 1032 * kib,
      failures: 0,
      reason: '',
      error: '',
    });
  });

  it('leaves out what was there before, finished or given up', async () => {
    tell({ state: 'pulling' });
    blob('a', { size: 64 * kib, after: -1 });
    blob('b', { size: 64 * kib, partial: true, after: -1 });
    blob('c', { size: 4 * kib });
    expect(await downloads.status()).toMatchObject({ bytes: 4 * kib, totalBytes: 4 * kib });
  });

  it('is never more than there will be, whatever blocks the last bytes take', async () => {
    tell({ state: 'pulling' });
    blob('a', { size: 5000, partial: true });
    expect(await downloads.status()).toMatchObject({ bytes: 5000, totalBytes: 5000 });
  });
});

describe('a download', () => {
  it('is none where nothing is told, all is there, or nothing is to come', async () => {
    expect(await downloads.status()).toBeUndefined();
    tell({ state: 'done', model: '' });
    expect(await downloads.status()).toBeUndefined();
    tell({ state: 'pulling' });
    expect(await downloads.status()).toBeDefined();
    isWanted = false;
    expect(await downloads.status()).toBeUndefined();
  });

  it('stays as it was told while the file is written over', async () => {
    tell({ state: 'building' });
    expect(await downloads.status()).toMatchObject({ state: 'building' });
    const file = path.join(folder, '.model-management/.progress');
    for (const half of ['', 'state pul', 'state pulling\nmodel x\n', 'state resting\nend\n']) {
      writeFileSync(file, half);
      expect(await downloads.status()).toMatchObject({ state: 'building', model: 'llama' });
    }
  });

  it('that fails is counted once for each time, with its reason if that is one', async () => {
    tell({ state: 'pulling' });
    await downloads.status();
    tell({ state: 'failed', failures: 1, reason: 'no_route', error: 'no route: the registry does not answer' });
    expect(await downloads.status()).toMatchObject({ state: 'failed', error: expect.stringMatching(/^no route: the/) });
    await downloads.status();
    tell({ state: 'failed', failures: 3, reason: 'no_space' });
    await downloads.status();
    tell({ state: 'failed', failures: 4, reason: 'Sudden "death"' });
    await downloads.status();
    expect(failures).toEqual(['llama: no_route', 'llama: no_space', 'llama: no_space', 'llama: unexpected']);
  });

  it('that failed before is not counted again by the next process', async () => {
    tell({ state: 'failed', failures: 9, reason: 'no_route' });
    downloads.stop();
    downloads = start();
    await downloads.status();
    expect(failures).toEqual([]);
    tell({ state: 'failed', failures: 10, reason: 'no_route' });
    await downloads.status();
    expect(failures).toEqual(['llama: no_route']);
  });
});

describe('an agent', () => {
  it('tells of a download before Ollama is there, by its status and its metrics, and not after', async () => {
    await using stack = new AsyncDisposableStack();
    const port = await freePort();
    tell({ state: 'pulling' });
    blob('a', { size: 1024 * kib, there: 256 * kib, partial: true });
    const models = { llama: { name: 'llama:latest' } };
    const config = agentConfig(`http://127.0.0.1:${port}`, models, { modelsFolder: folder });
    const agent = stack.use(await startAgent(config));
    const status = async () => (await fetch(`${agent.url}/status`)).json();
    expect(await status()).toMatchObject({
      server: 'ollama-test',
      phase: 'downloading',
      download: { state: 'pulling', model: 'llama', bytes: 256 * kib, totalBytes: 1024 * kib },
      models: { llama: { state: 'waiting', inFlight: 0, slots: 3 } },
    });
    tell({ state: 'failed', failures: 1, reason: 'no_route' });
    await until(async () => ((await status()) as { download: { failures: number } }).download.failures === 1);
    const metrics = await agent.metrics.registry.metrics();
    expect(metrics).toContain(`model_download_bytes{model="llama"} ${256 * kib}`);
    expect(metrics).toContain(`model_download_total_bytes{model="llama"} ${1024 * kib}`);
    expect(metrics).toContain('model_download_failures_total{model="llama",reason="no_route"} 1');
    tell({ state: 'done', model: '' });
    expect(await status()).toMatchObject({
      phase: 'starting',
      problem: expect.stringMatching(/^Ollama does not answer/),
    });
    stack.use(await FakeOllama.start(['llama:latest'], port));
    await until(async () => ((await status()) as { phase: string }).phase === 'ready');
    const ready = (await status()) as object;
    expect(ready).toMatchObject({ problem: '', ollama: '0.11.4', models: { llama: { state: 'loaded' } } });
    expect(ready).not.toHaveProperty('download');
    expect(await agent.metrics.registry.metrics()).not.toMatch(/^model_download_bytes\{/m);
  });

  it('says that it drains', async () => {
    await using ollama = await FakeOllama.start(['llama:latest']);
    await using agent = await startAgent(agentConfig(ollama.url, { llama: { name: 'llama:latest' } }));
    void agent.hop.drain();
    const status = await (await fetch(`${agent.url}/status`)).json();
    expect(status).toMatchObject({ phase: 'draining', problem: 'draining' });
  });
});
