import { type Labels, type Series, scraped, series } from './promtool.ts';

/** Minutes that every series lasts. */
export const minutes = 120;

/** The same value all the time. */
export const always = (value: number) => `${value}x${minutes}`;

/** A counter that grows so much in a minute. */
export const growing = (perMinute: number) => `0+${perMinute}x${minutes}`;

/** A value from one minute up to another, and others before and after. */
export const between = (from: number, to: number, [before, then, after]: [number, number, number]) =>
  `${before}x${from - 1} ${then}x${to - from - 1} ${after}x${minutes - to}`;

/** A counter that grows so much in a minute from one minute up to another. */
export function growingBetween(from: number, to: number, perMinute: number): string {
  const end = (to - from) * perMinute;
  return `0x${from} ${perMinute}+${perMinute}x${to - from - 1} ${end}x${minutes - to}`;
}

const { gateway, gpu, cpu } = scraped;

/** A histogram: how many a minute are at each bound or below; the last is all of them. */
export function histogram(metric: string, labels: Labels, buckets: Record<string, number>, sum: number): Series {
  const all = Object.values(buckets).at(-1)!;
  return {
    ...Object.fromEntries(
      Object.entries(buckets).map(([le, perMinute]) => [
        series(`${metric}_bucket`, { ...labels, le }),
        growing(perMinute),
      ]),
    ),
    [series(`${metric}_count`, labels)]: growing(all),
    [series(`${metric}_sum`, labels)]: growing(sum),
  };
}

/** Requests for a model, so many a minute, all of them answered at once. */
export const answered = (model: string, perMinute = 60): Series => ({
  [series('model_request_total', { ...gateway, model, route: '/api/chat', status: '2xx' })]: growing(perMinute),
  ...histogram('model_time_to_first_token_seconds', { ...gateway, model }, { '5': perMinute, '+Inf': perMinute }, 6),
});

/** A fleet that is well: pods that are scraped, ready, loaded, and far from every bound. */
export const quiet: Series = {
  [series('backup_last_success_timestamp_seconds', gateway)]: always(0),
  ...Object.fromEntries([gateway, gpu, cpu].map((pod) => [series('up', pod), always(1)])),
  ...Object.fromEntries([gateway, gpu, cpu].map((pod) => [series('process_start_time_seconds', pod), always(0)])),
  ...Object.fromEntries(
    ['x-gpu', 'x-cpu'].flatMap((server) => [
      [series('server_replicas', { ...gateway, server, state: 'known' }), always(1)],
      [series('server_replicas', { ...gateway, server, state: 'ejected' }), always(0)],
    ]),
  ),
  [series('model_loaded', { ...gpu, model: 'llama' })]: always(1),
  ...answered('llama'),
};
