import { expect, it } from 'vitest';
import { Metrics } from './metrics.ts';

const metrics = Metrics.parse(`# HELP queue_depth Requests that wait.
# TYPE queue_depth gauge
queue_depth{model="one",priority="standard"} 2
queue_depth{model="one",priority="batch"} 3
queue_depth{model="t\\"w,o}",priority="batch"} 1
up 1
wait_bucket{le="0.1",model="one"} 5
wait_bucket{le="30",model="one"} 9
wait_bucket{le="+Inf",model="one"} 10
wait_bucket{le="0.1",model="two"} 0
wait_bucket{le="30",model="two"} 0
wait_bucket{le="+Inf",model="two"} 10
`);

it('reads samples and adds them up', () => {
  expect(metrics.sum('up')).toBe(1);
  expect(metrics.sum('queue_depth')).toBe(6);
  expect(metrics.sum('queue_depth', { model: 'one', priority: 'batch' })).toBe(3);
  expect(metrics.sum('no_such_name')).toBe(0);
  expect([...metrics.by('queue_depth', 'model')]).toEqual([
    ['one', 5],
    ['t\\"w,o}', 1],
  ]);
});

it('says under which bound a share of the observations lies', () => {
  expect(metrics.quantile('wait', 0.5, { model: 'one' })).toEqual({ count: 10, within: 0.1 });
  expect(metrics.quantile('wait', 0.9, { model: 'one' })).toEqual({ count: 10, within: 30 });
  expect(metrics.quantile('wait', 0.95, { model: 'one' })).toEqual({ count: 10, within: Number.POSITIVE_INFINITY });
  expect(metrics.quantile('wait', 0.9, { model: 'two' })).toEqual({ count: 10, within: Number.POSITIVE_INFINITY });
  expect(metrics.quantile('wait', 0.9, { model: 'three' })).toEqual({ count: 0, within: 0 });
});

it('adds several processes up', () => {
  expect(Metrics.all([metrics, metrics]).sum('queue_depth')).toBe(12);
});
