import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { requireSystem } from '../../ci/tools/packages.ts';

/** Widths and heights in pixels: of a phone held upright, and of a small laptop. */
export const screens = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
} as const;

/** A real Chromium, in which nothing is looked up anywhere but at addresses of this machine and its clusters. */
export async function startBrowser(): Promise<Browser & AsyncDisposable> {
  await requireSystem(['chromium', '/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf']);
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // Root has no sandbox, and containers have little shared memory.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--no-proxy-server', '--disable-background-networking'],
  });
}

/** A page that is watched: what it asks for, and what goes wrong in it. */
export interface Watched extends AsyncDisposable {
  page: Page;
  /** The origins of everything that it has asked for. */
  origins: Set<string>;
  /** What it wrote to the console as an error, and errors that nobody caught: refusals of the policy are among them. */
  errors: string[];
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: screens.desktop, ...options });
  const page = await context.newPage();
  const origins = new Set<string>();
  const errors: string[] = [];
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  return { page, origins, errors, [Symbol.asyncDispose]: () => context.close() };
}

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe finds in a page that keeps somebody from using it, a line each. */
export async function barriers(page: Page): Promise<string[]> {
  // By way of the debugger, as everything that is evaluated: no policy of the page is loosened for it.
  await page.evaluate(await readFile(axe, 'utf8'));
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target}: ${failureSummary}`),
    );
}
