import { Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { randomFrom } from '../../ci/testing/random.ts';
import { TallyHistogram } from './tally.ts';

describe('TallyHistogram', () => {
  it('is written down as a histogram of prom-client is that has seen the same', async () => {
    const options = { name: 'seconds', help: 'A "time"\nto tell.', labelNames: ['model', 'status'] };
    const buckets = [0.005, 0.1, 1, 2.5];
    const [own, others] = [new Registry(), new Registry()];
    const tallies = new TallyHistogram({ ...options, buckets, registers: [own] });
    const histogram = new Histogram({ ...options, buckets, registers: [others] });
    const random = randomFrom(5);
    for (let n = 0; n < 1000; n++) {
      const [model, status] = [random.of(['a', 'b "c"\\']), random.of(['2xx', '5xx'])];
      // Bounds themselves too, which belong below.
      const value = random.of([...buckets, 0, 3, random.below(5000) / 1000]);
      tallies.of(model, status).observe(value);
      histogram.observe({ model, status }, value);
    }
    const written = await own.metrics();
    expect(written).toContain('seconds_bucket{le="+Inf",model="a",status="2xx"}');
    expect(written).toBe(await others.metrics());
    expect(await own.getSingleMetricAsString('seconds')).toBe(await others.getSingleMetricAsString('seconds'));
  });

  it('has nothing to say before anything was seen', async () => {
    const registry = new Registry();
    const histogram = new TallyHistogram({
      ...{ name: 'seconds', help: 'A time.', labelNames: ['model'], buckets: [1] },
      registers: [registry],
    });
    expect(await registry.metrics()).toBe('# HELP seconds A time.\n# TYPE seconds histogram\n');
    expect(histogram.tallies).toEqual([]);
    histogram.of('a');
    expect(histogram.of('a')).toBe(histogram.tallies[0]);
    expect(histogram.tallies).toHaveLength(1);
  });
});
