import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Fleet, testFleet, tinyServer } from '../../../charts/tests/fleet.ts';
import { blobsPort } from '../../../ci/cluster/layout.ts';
import { runInNode } from '../../../ci/cluster/node.ts';
import { testCluster } from '../../../ci/cluster/testing.ts';
import { root } from '../../../ci/tools/paths.ts';
import { mergedValues } from '../../../generator/environment.ts';
import { barriers, openPage, screens, startBrowser } from '../../testing/browser.ts';

/** What is shown comes every two seconds, and some of it every ten; on a busy machine later. */
const soon = <T>(get: () => T) => expect.poll(get, { timeout: 60_000 });

const stack = new AsyncDisposableStack();
let browser: Browser;

beforeAll(async () => {
  browser = stack.use(await startBrowser());
});
afterAll(() => stack.disposeAsync());

/** Has the model registry of the cluster give away its blobs this slowly. */
async function slowDownloads(bytesPerSecond: number): Promise<AsyncDisposable> {
  const { node } = await testCluster();
  const rule = `tcp sport ${blobsPort} limit rate over ${bytesPerSecond} bytes/second burst ${bytesPerSecond} bytes drop`;
  const hook = 'type filter hook output priority 0; policy accept;';
  await runInNode(node, ['nft', `table ip slow {\nchain output {\n${hook}\n${rule}\n}\n}\n`]);
  const disposables = new AsyncDisposableStack();
  disposables.defer(async () => void (await runInNode(node, ['nft', 'delete table ip slow'])));
  return disposables;
}

/** Every text that a part of the page has had since this was called, in turn, as long as the page stays. */
async function textsOf(page: Page, selector: string): Promise<() => Promise<string[]>> {
  await page.evaluate((selector) => {
    const seen: string[] = [];
    Object.assign(globalThis, { seen });
    const look = () => {
      const text = document.querySelector(selector)?.textContent ?? '';
      if (text && seen.at(-1) !== text) seen.push(text);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  }, selector);
  return () => page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
}

/** Takes the pictures of docs/ anew where SCREENSHOTS is set. */
async function picture(page: Page, name: string): Promise<void> {
  if (!process.env.SCREENSHOTS) return;
  const file = path.join(root, 'docs', `${name}.png`);
  // What a model answers that is made of random numbers is not for pictures.
  const clip = await page.evaluate(() => {
    const { top } = document.querySelector('.playground, .foot')!.getBoundingClientRect();
    return { x: 0, y: 0, width: innerWidth, height: Math.round(top) };
  });
  await page.screenshot({ path: file, fullPage: true, clip, animations: 'disabled' });
}

/** Clients that ask a model for one answer after the other until this is called. */
function load(fleet: Fleet, model: string): () => Promise<void> {
  let going = true;
  const client = async () => {
    while (going) await fleet.chat(model).catch(() => undefined);
  };
  const clients = [client(), client()];
  return async () => {
    going = false;
    await Promise.all(clients);
  };
}

it('shows a replica that downloads, loads, is ready and drains, at two gateways alike', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const costs = { costPerHour: 0.25 };
  const before = mergedValues(
    { gateway: { replicas: { min: 2, max: 2 }, service: { sessionAffinitySeconds: 0 } } },
    tinyServer('translation', { ...costs, replicas: { min: 1, max: 2 } }),
    tinyServer('archive', { ...costs, replicas: { min: 0, max: 1 } }),
  );
  await fleet.deploy(before);
  await fleet.untilReady('ollama-translation');
  await fleet.untilGateway();
  // As a scaler of its own would.
  await namespace.kubectl(['scale', 'deployment', 'ollama-archive', '--replicas=0']);
  const stop = load(fleet, 'translation');
  // The pictures are to show something of the past.
  if (process.env.SCREENSHOTS) await sleep(120_000);

  await using downloads = await slowDownloads(12_000);
  // Of one base with other options each, they are loaded one after the other: that takes long enough to be seen.
  const models = Object.fromEntries(
    [32, 64, 96, 128].map((num_batch) => [
      `contracts-${num_batch}`,
      { pull: 'tiny:latest', parameters: { num_batch } },
    ]),
  );
  const keys = ['contracts', ...Object.keys(models)];
  const resources = { cpu: '200m', memory: '700M' };
  const slow = tinyServer('contracts', { ...costs, resources, models: keys, replicas: { min: 1, max: 2 } });
  await fleet.deploy(mergedValues(before, slow, { models }));
  await using opened = await openPage(browser, `${await fleet.address()}/ui/`, { viewport: screens.desktop });
  const { page, errors } = opened;
  const stateOf = (model: string) => page.locator(`tr:has(a[href="#/models/${model}"]) .state`);
  await soon(() => stateOf('contracts').textContent()).toMatch(/^downloading\d.* kB of 4\d\d(\.\d)? kB, [1-9]\d? %$/);
  const requests = page.locator('.tile', { hasText: 'Requests a second' }).locator('.number');
  await soon(() => requests.textContent()).toMatch(/[1-9]/);
  await page.getByRole('heading', { name: '5 models are on the way', level: 1 }).waitFor();
  await picture(page, 'status-page');
  await soon(() => stateOf('archive').textContent()).toBe('scaled to none');
  await page.locator('#footer', { hasText: 'Requests of both gateways' }).waitFor();

  await page.emulateMedia({ colorScheme: 'dark' });
  await page.getByRole('link', { name: 'translation' }).click();
  await page.getByRole('img', { name: /^Requests a second since .* at most [1-9]/ }).waitFor({ timeout: 60_000 });
  await picture(page, 'status-page-model');
  await page.getByRole('link', { name: '← All models' }).click();

  // The last of them to be loaded, and its pod.
  await page.getByRole('link', { name: 'contracts-96' }).click();
  const states = await textsOf(page, '.pods .state');
  await soon(async () => (await states()).join()).toMatch(
    /downloadingcontracts: \d.* kB of 4\d\d(\.\d)? kB, [1-9]\d? %/,
  );
  await downloads[Symbol.asyncDispose]();
  await fleet.untilReady('ollama-contracts');
  await soon(async () => (await states()).at(-1)).toBe('ready');
  const words = (await states()).map((text) => /^(downloading|loading|ready)/.exec(text)?.[0]);
  expect([...new Set(words)].filter(Boolean)).toEqual(['downloading', 'loading', 'ready']);
  await page.getByRole('link', { name: '← All models' }).click();
  await soon(() => stateOf('contracts-96').textContent()).toBe('ready');
  const row = page.getByRole('row', { name: /^contracts-96/ });
  expect(await row.textContent()).toMatch(/1 of 1 \(1–2\).*\$0\.25\/h shared/);
  expect(await barriers(page)).toEqual([]);
  await stop();

  // Through the page, to whichever gateway; while it answers, its pod is told to go.
  await page.getByRole('link', { name: 'contracts-96' }).click();
  await page.getByLabel('Tokens at most').fill('1500');
  await page.getByLabel('Prompt').fill('Say something long.');
  await page.getByRole('button', { name: 'Send' }).click();
  await soon(() => page.getByRole('region', { name: 'Answer' }).textContent()).not.toBe('');
  const [pod] = await fleet.pods('ollama-contracts');
  const name = pod.metadata.name;
  await namespace.kubectl(['delete', 'pod', name, '--wait=false']);
  const badge = page.getByRole('row', { name }).locator('.badge');
  await soon(() => badge.textContent()).toBe('draining');
  // It ends when it has answered.
  await soon(() => page.locator('.playground .found').textContent()).toMatch(/^Done: /);
  await fleet.untilReady('ollama-contracts');
  await soon(() => page.getByRole('row', { name }).count()).toBe(0);
  const next = (await fleet.pods('ollama-contracts'))[0].metadata.name;
  const itsBadge = page.getByRole('row', { name: next }).locator('.badge');
  await soon(() => itsBadge.textContent()).toBe('ready');
  expect(errors).toEqual([]);
});

it('says why a download fails, and what to do, before the pod was ever ready', async () => {
  await using fleet = await testFleet();
  const one = tinyServer('translation', { replicas: { min: 1, max: 2 } });
  await fleet.deploy(mergedValues(one, { models: { translation: { pull: 'nosuch:1b' } } }));
  await fleet.untilGateway();
  await using opened = await openPage(browser, `${await fleet.address()}/ui/`, { viewport: screens.phone });
  const { page } = opened;
  await page.getByRole('heading', { name: '1 model is in trouble' }).waitFor({ timeout: 60_000 });
  const trouble = page.locator('.troubles li').first();
  const look = /kubectl logs ollama-translation-\S+ -c model-downloader/;
  await soon(() => trouble.textContent()).toMatch(
    new RegExp(`cannot download translation.*: no such model: .*check models\\.\\*\\.pull.*${look.source}`),
  );
  await picture(page, 'status-page-phone');
  const [pod] = await fleet.pods('ollama-translation');
  const metrics = await (await fetch(`http://${pod.status.podIP}:9090/metrics`)).text();
  expect(metrics).toMatch(/^model_download_failures_total\{model="translation",reason="no_such_model"\} [1-9]/m);
});
