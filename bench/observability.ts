import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toolFamily } from '../ci/tools/tools.ts';
import type { Run } from './gateway/job.ts';
import type { Benchmark, Figure } from './measure.ts';
import { timesToPage } from './observability/pages.ts';
import { type Scale, seriesOf } from './observability/series.ts';

const scales: Scale[] = [
  { models: 7, interval: 1, minutes: 70, aims: true },
  { models: 1000, interval: 15, minutes: 6, aims: false },
];

/** What watching a fleet costs, and how soon it tells. */
export const observability: Benchmark = {
  purpose: 'series, scrapes and rules of 7 models and of 1,000 on a real Prometheus, and from fault to page',
  async run(): Promise<Figure[]> {
    await Promise.all([toolFamily('bench'), toolFamily('cluster')]);
    const stop = new AbortController();
    // What was started has to end too, so this process doesn't do so at once; a second signal ends it anyhow.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
    }
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-bench-'));
    const run: Run = { signal: stop.signal, folder: folder.path };
    const figures: Figure[] = [];
    for (const scale of scales) figures.push(...(await seriesOf(run, scale)));
    return [...figures, ...(await timesToPage())];
  },
};
