import { Rules, scraped } from '../../charts/tests/rules/promtool.ts';
import { type PastSeries, RealPrometheus } from '../../ci/testing/prometheus.ts';
import { History, type HistoryOf } from '../../service/forecaster/history.ts';
import { Prometheus } from '../../service/forecaster/prometheus.ts';

/** The server that a trace is of, among those that the rules are tried on; its one model; and what a pod answers at a time. */
export const pastServer = 'gpu';
const model = 'llama';
const parallel = 2;

/** A trace that a real Prometheus has recorded by the rules that ship. */
export interface Past extends AsyncDisposable {
  prometheus: RealPrometheus;
  of: HistoryOf;
  /** What the forecaster reads of it, in pods; NaN where it knows nothing. */
  read(): Promise<number[]>;
  /** End of the last bin, in Unix seconds. */
  end: number;
}

/**
 * Has a real Prometheus record a trace as if a gateway had told of it: its metrics of each moment, and what the rules of the
 * chart make of them. `demand` is in pods, oldest first, NaN where it is not known; it ends with the last whole bin before
 * `now`.
 */
export async function recordPast(
  demand: readonly number[],
  binSeconds: number,
  now = Date.now() / 1000,
): Promise<Past> {
  const end = Math.floor(now / binSeconds) * binSeconds;
  const begin = end - demand.length * binSeconds;
  const every = Math.max(1, Math.min(120, Math.floor(binSeconds / 5)));
  const { namespace, release } = scraped.gateway;
  const of = { namespace, release, binSeconds };
  const tell = (name: string, more: Record<string, string>, value: (demand: number) => number): PastSeries => ({
    name,
    labels: { ...scraped.gateway, ...more },
    samples: demand.flatMap((pods, bin) => {
      // A second after the begin of a bin, so that rules see nothing of the one before.
      const from = begin + bin * binSeconds + 1;
      return Array.from({ length: Math.ceil(binSeconds / every) }, (_, i) => [from + i * every, value(pods)] as const);
    }),
  });
  const rules = await Rules.render();
  const prometheus = await RealPrometheus.start();
  try {
    await prometheus.backFill([
      tell('up', {}, () => 1),
      tell('model_requests_in_flight', { model }, (pods) => pods * parallel),
    ]);
    const times = { from: begin, to: end, every };
    await prometheus.backFillRules('server:demand:replicas', Object.values(rules.files), times);
  } catch (error) {
    await prometheus[Symbol.asyncDispose]();
    throw error;
  }
  return {
    prometheus,
    of,
    read: async () => {
      const source = new Prometheus(prometheus.url);
      const read = await new History(source, of).demand(begin, end).finally(() => source.close());
      return read.get(pastServer) ?? new Array<number>(demand.length).fill(Number.NaN);
    },
    end,
    [Symbol.asyncDispose]: () => prometheus[Symbol.asyncDispose](),
  };
}
