import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../../schema/config.ts';
import { createMetricsServer } from '../../shared/metrics.ts';
import { barriers, openPage, screens, startBrowser } from '../../testing/browser.ts';
import { get, post, until } from '../../testing/client.ts';
import { Entry } from '../../testing/entry.ts';
import { agentConfig, gatewayConfig, gatewayModel } from '../../testing/hops.ts';
import { RealOllama } from '../../testing/ollama.ts';
import { freePort } from '../../testing/ports.ts';

/** What is shown comes every two seconds, and some of it every ten; on a busy machine later. */
const soon = <T>(get: () => T) => expect.poll(get, { timeout: 60_000 });

/** What a forecaster tells of the server of `small`. */
let forecast: object = { replicas: 2.36, horizonSeconds: 1200 };
let forecasterUrl: string;

const stack = new AsyncDisposableStack();
let browser: Browser;
let agent: Entry;
/** Two gateways before one agent; the page is the second's. */
let other: Entry;
let gateway: Entry;

beforeAll(async () => {
  browser = stack.use(await startBrowser());
  const ollama = stack.use(await RealOllama.start(['team/small:latest', 'team/large:latest']));
  const models = { small: { name: 'team/small:latest' }, large: { name: 'team/large:latest', idleSeconds: 600 } };
  agent = stack.use(await Entry.start('agent', agentConfig(ollama.url, models), '--drain-delay', '0'));
  const forecaster = createMetricsServer(new Registry(), () => ({ servers: { 'server-small': forecast } }));
  const port = await freePort();
  forecaster.listen(port, '127.0.0.1');
  stack.defer(() => {
    forecaster.closeAllConnections();
    forecaster.close();
  });
  forecasterUrl = `http://127.0.0.1:${port}`;
  other = stack.use(await Entry.start('gateway', config(), '--drain-delay', '0'));
  gateway = stack.use(
    await Entry.start('gateway', config({ peers: [new URL(other.metricsUrl).origin] }), '--drain-delay', '0'),
  );
  await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
});
afterAll(() => stack.disposeAsync());

/** A gateway before the agent, and before servers that are away or scaled to none. */
function config({ peers = [], ...more }: Partial<GatewayConfig> & { peers?: string[] } = {}): GatewayConfig {
  const statusPage = { service: '', peers, forecaster: forecasterUrl };
  const config = gatewayConfig(
    { small: agent.url, large: agent.url, away: agent.url, none: agent.url },
    { statusPage, ...more },
  );
  Object.assign(config.models.small!, {
    aliases: ['gpt-4o-mini'],
    fallbacks: ['large'],
    canary: { model: 'large', percent: 0 },
  });
  const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
  const windows = { always: { days, from: '00:00', to: '24:00', min: 2 } };
  const schedule = { timeZone: 'UTC', windows, otherwise: 1 };
  Object.assign(config.servers['server-small']!, { pods: { min: 1, max: 4 }, schedule, costPerHour: 0.5 });
  Object.assign(config.servers['server-away']!, { replicas: ['http://127.0.0.1:1'], pods: { min: 1, max: 1 } });
  Object.assign(config.servers['server-none']!, { replicas: [], pods: { min: 0, max: 1 } });
  return config;
}

const open = (options = {}, where = '', of: Entry = gateway) => openPage(browser, `${of.url}/ui/${where}`, options);

const chat = (url: string, model = 'small', tokens = 8) =>
  post(`${url}/api/chat`, {
    ...{ model, stream: false, messages: [{ role: 'user', content: 'hello' }] },
    options: { num_predict: tokens, seed: 1, temperature: 1 },
  });

describe('the overview', () => {
  it('says what is wrong first, and how every model is, in words', async () => {
    await using opened = await open();
    const { page } = opened;
    await page.getByRole('heading', { name: '1 model is in trouble' }).waitFor();
    const troubles = page.getByRole('region', { name: 'What is wrong' });
    await troubles.getByText('127.0.0.1:1 does not answer.').first().waitFor();
    const rows = page.getByRole('table', { name: 'Models' }).getByRole('row');
    expect(await rows.locator('.name').allTextContents()).toEqual(['away', 'large', 'small', 'none']);
    expect(await rows.locator('.badge').allTextContents()).toEqual(['silent', 'ready', 'ready', 'scaled to none']);
    expect(await rows.nth(3).textContent()).toMatch(/1 of 1 \(1–4\).*\$0\.50\/h/);
  });

  it('shows requests that came to another gateway', async () => {
    await using opened = await open();
    const { page } = opened;
    const tile = page.locator('.tile', { hasText: 'Requests a second' }).locator('.number');
    await tile.waitFor();
    for (let count = 0; count < 5; count++) expect((await chat(other.url)).status).toBe(200);
    await soon(() => tile.textContent()).toMatch(/^0\.\d+$/);
    const row = page.getByRole('row', { name: /^small/ });
    await soon(() => row.locator('[data-label="p50 / p95"]').textContent()).toMatch(/^\d.* \/ \d.*s$/);
    expect(await page.locator('#footer').textContent()).toMatch(/^Requests of both gateways · history since \d\d:\d\d/);
  });

  it('finds models by name, server and alias, and by how they are', async () => {
    await using opened = await open();
    const { page } = opened;
    const names = page.locator('tbody .name');
    await names.first().waitFor();
    await page.getByLabel('Find').fill('gpt-4o');
    expect(await names.allTextContents()).toEqual(['small']);
    expect(await page.locator('.found').first().textContent()).toBe('1 of 4 models');
    await page.getByLabel('Find').fill('nothing');
    expect(await page.locator('.found').first().textContent()).toBe('No model matches.');
    await page.getByLabel('Find').fill('');
    const chip = page.getByRole('button', { name: 'Need a look 1' });
    await chip.click();
    expect(await chip.getAttribute('aria-pressed')).toBe('true');
    expect(await names.allTextContents()).toEqual(['away']);
  });
});

describe('the page of a model', () => {
  it('streams the answer to a prompt, and says how fast it was', async () => {
    await using opened = await open({}, '#/models/small');
    const { page } = opened;
    // A model as small as this one gives hundreds between two of the browser's frames.
    await page.getByLabel('Tokens at most').fill('8192');
    await page.getByLabel('Prompt').fill('Say something.');
    const answer = page.locator('.answer');
    await answer.evaluate((element) => {
      const lengths = new Set<number>();
      Object.assign(globalThis, { lengths });
      const look = () => lengths.add(element.textContent!.length);
      new MutationObserver(look).observe(element, { subtree: true, childList: true, characterData: true });
    });
    await page.getByRole('button', { name: 'Send' }).click();
    const told = page.locator('.playground .found');
    await soon(() => told.textContent()).toMatch(
      /^Done: \S+ tokens in [\d.]+ m?s\. The first after .*, then \S+ a second\.$/,
    );
    // It was not there all at once.
    expect(await page.evaluate(() => (globalThis as unknown as { lengths: Set<number> }).lengths.size)).toBeGreaterThan(
      3,
    );
  });

  it('stops an answer, and the gateway hears of it', async () => {
    await using opened = await open({}, '#/models/small');
    const { page } = opened;
    await page.getByLabel('Tokens at most').fill('30000');
    await page.getByLabel('Prompt').fill('Go on.');
    await page.keyboard.press('Control+Enter');
    await soon(() => page.getByRole('region', { name: 'Answer' }).textContent()).not.toBe('');
    await page.getByRole('button', { name: 'Stop' }).click();
    await soon(() => page.locator('.playground .found').textContent()).toMatch(/^Stopped: \d+ tokens/);
    await until(() => gateway.logged('request').some(({ status, model }) => status === 499 && model === 'small'));
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Send');
  });

  it('says why there is no answer', async () => {
    await using opened = await open({}, '#/models/away');
    const { page } = opened;
    await page.getByLabel('Prompt').fill('Hello?');
    await page.getByRole('button', { name: 'Send' }).click();
    await soon(() => page.locator('.playground .found').textContent()).toMatch(
      /^It did not answer: .*cannot be reached/,
    );
  });

  it('draws the last hour, in words too, and shows its pods', async () => {
    await using opened = await open({}, '#/models/small');
    const { page } = opened;
    await chat(gateway.url);
    const chart = page.getByRole('img', {
      name: /^Requests a second since \d\d:\d\d: requests now \S+, at most 0\.\d/,
    });
    await chart.waitFor({ timeout: 30_000 });
    expect(await page.title()).toBe('small · Models');
    const row = page.getByRole('table', { name: 'Pods' }).getByRole('row').nth(1);
    expect(await row.textContent()).toMatch(/readyloaded\d+\.\d+\.\d+ of 3\d+\.\d MB$/);
    expect(await page.locator('.intro .summary').textContent()).toBe(
      'team/small:latest on server-small · also called gpt-4o-mini · large answers in its place · ' +
        'large on trial: 0 % of the conversations',
    );
    const facts = (foretold: string) =>
      page.getByText(`1 to 4 pods · at least 2 at this time of the week · ${foretold} · $0.50 an hour, $0.50 each`);
    await facts('2.4 pods forecast for 20 minutes from now').waitFor();
    forecast = { silent: 'history is short' };
    await facts('nothing is forecast: history is short').waitFor();
  });

  it('says so where there is no such model', async () => {
    await using opened = await open({}, '#/models/nothing');
    await opened.page.getByText('There is no such model, or your key may not ask it.').waitFor();
  });
});

describe('everything', () => {
  it('can be reached and done by keyboard, and what has the focus shows it', async () => {
    await using opened = await open();
    const { page } = opened;
    await page.locator('tbody .name').first().waitFor();
    const reached: string[] = [];
    const focused = () =>
      page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const name = element.getAttribute('aria-label') || element.textContent || element.id;
        return { name, isBody: element === document.body, isSeen: outlineStyle !== 'none' && outlineWidth !== '0px' };
      });
    for (let count = 0; count < 40; count++) {
      await page.keyboard.press('Tab');
      const { name, isBody, isSeen } = await focused();
      if (isBody) break;
      expect(isSeen, name).toBe(true);
      reached.push(name);
    }
    const expected = [
      'Skip to the content',
      'Models',
      'filter',
      'All 4',
      'Need a look 1',
      'away',
      'large',
      'small',
      'none',
    ];
    for (const name of expected) expect(reached).toContain(name);
    const all = await page.evaluate(
      () =>
        [...document.querySelectorAll<HTMLElement>('a, button, input, textarea')].filter((one) => one.checkVisibility())
          .length,
    );
    expect(reached.length).toBe(all);
    await page.getByRole('link', { name: 'small', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'small', level: 1 }).waitFor();
    expect((await focused()).name).toBe('small');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Shift+Tab');
    await page.getByRole('link', { name: '← All models' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('table', { name: 'Models' }).waitFor();
  });

  const places = { overview: '', model: '#/models/small', 'a model in trouble': '#/models/away' };
  const looks = Object.entries(screens).flatMap(([screen, viewport]) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ screen, colorScheme, viewport })),
  );

  it.each(looks)(
    'has nothing that keeps somebody out on a $screen, $colorScheme',
    async ({ colorScheme, viewport }) => {
      for (const [name, where] of Object.entries(places)) {
        await using opened = await open({ colorScheme, viewport }, where);
        const { page, errors, origins } = opened;
        await page.locator('tbody tr').first().waitFor();
        expect(await barriers(page), name).toEqual([]);
        // Nothing has to be scrolled sideways.
        expect(
          await page.evaluate(() => document.scrollingElement!.scrollWidth - innerWidth),
          name,
        ).toBeLessThanOrEqual(0);
        expect(errors, name).toEqual([]);
        expect([...origins], name).toEqual([gateway.url]);
      }
    },
  );
});

describe('a page that lost its gateway', () => {
  it('says so, keeps what it knew, and goes on when there is one again', async () => {
    const port = String(await freePort());
    const first = await Entry.start('gateway', config(), '--port', port, '--drain-delay', '0');
    await using opened = await openPage(browser, `${first.url}/ui/`);
    const { page } = opened;
    await page.locator('tbody .name').first().waitFor();
    await first[Symbol.asyncDispose]();
    const banner = page.getByRole('alert');
    await soon(() => banner.textContent()).toMatch(/What is below is how it was at \d\d:\d\d:\d\d\. Trying again at/);
    expect(await page.locator('#connection').textContent()).toMatch(/Disconnected|Connecting/);
    expect(await page.locator('tbody .name').count()).toBe(4);
    expect(await barriers(page)).toEqual([]);
    await using _second = await Entry.start('gateway', config(), '--port', port, '--drain-delay', '0');
    await soon(() => page.locator('#connection').textContent()).toBe('Live');
    expect(await banner.textContent()).toBe('');
  });
});

describe('a gateway that asks for API keys', () => {
  it('is asked with the key that the visitor gives, which is kept in the tab alone', async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'page-'));
    const apiKeysFile = path.join(folder.path, 'keys.json');
    const sha256 = createHash('sha256').update('a-key').digest('hex');
    writeFileSync(apiKeysFile, JSON.stringify({ keys: [{ name: 'me', sha256, models: ['small'] }] }));
    await using locked = await Entry.start('gateway', config({ apiKeysFile }), '--drain-delay', '0');
    await using opened = await openPage(browser, `${locked.url}/ui/`, { viewport: screens.phone });
    const { page, origins } = opened;
    const field = page.getByLabel('API key');
    await field.waitFor();
    expect(await barriers(page)).toEqual([]);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('key');
    await field.fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('the API key is not valid').waitFor();
    await field.fill('a-key');
    await page.keyboard.press('Enter');
    await page.locator('tbody .name').first().waitFor();
    expect(await page.locator('tbody .name').allTextContents()).toEqual(['small']);
    const kept = await page.evaluate(() => ({
      url: location.href,
      cookie: document.cookie,
      local: localStorage.length,
      session: sessionStorage.length,
    }));
    expect(kept).toEqual({ url: `${locked.url}/ui/`, cookie: '', local: 0, session: 1 });
    expect([...origins]).toEqual([locked.url]);
    await page.getByRole('link', { name: 'small', exact: true }).click();
    await page.getByLabel('Prompt').fill('Hello.');
    await page.getByRole('button', { name: 'Send' }).click();
    await soon(() => page.locator('.playground .found').textContent()).toMatch(/^Done:/);
    await page.reload();
    await page.getByRole('heading', { name: 'small', level: 1 }).waitFor();
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await field.waitFor();
    expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  });
});

describe('a fleet of 1,000 models', () => {
  it('shows those in trouble first, and finds one as fast as it is typed', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => `model-${String(index).padStart(3, '0')}`);
    const large = gatewayConfig({}, { statusPage: { service: '' } });
    for (const [index, key] of keys.entries()) {
      large.models[key] = gatewayModel(key);
      const pods = { min: index === 777 ? 1 : 0, max: 2 };
      large.servers[`server-${key}`] = { url: 'http://127.0.0.1:1', replicas: [], slots: 2, pods };
    }
    await using entry = await Entry.start('gateway', large, '--drain-delay', '0');
    await using opened = await openPage(browser, `${entry.url}/ui/`, { viewport: screens.phone });
    const { page } = opened;
    const names = page.locator('tbody .name');
    await names.first().waitFor();
    expect(await names.first().textContent()).toBe('model-777');
    expect(await names.count()).toBe(100);
    await page.getByRole('button', { name: 'Show 900 more models' }).click();
    expect(await names.count()).toBe(1000);
    const milliseconds = await page.evaluate(() => {
      const field = document.querySelector<HTMLInputElement>('#filter')!;
      const began = performance.now();
      for (const text of ['m', 'model-5', 'model-55']) {
        field.value = text;
        field.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect();
      }
      return performance.now() - began;
    });
    expect(await names.count()).toBe(10);
    expect(milliseconds).toBeLessThan(1500);
  });
});
