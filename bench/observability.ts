import { toolFamily } from '../ci/tools/tools.ts';
import { beginRun } from './gateway/job.ts';
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
    await using run = await beginRun();
    const figures: Figure[] = [];
    for (const scale of scales) figures.push(...(await seriesOf(run, scale)));
    return [...figures, ...(await timesToPage())];
  },
};
