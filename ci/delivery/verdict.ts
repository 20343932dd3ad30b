import { gunzipSync, gzipSync } from 'node:zlib';
import { unknownModel } from '../../service/shared/metrics.ts';
import { Metrics } from '../doctor/metrics.ts';

/** What the gateways of a slot have done: their metrics, by pod. */
export type Measured = ReadonlyMap<string, Metrics>;

/** What each pod has done since it was measured before; what a pod that is new has done in all. */
export function since(now: Measured, before: Measured): Metrics {
  return Metrics.all(
    [...now].map(([pod, { samples }]) => {
      const was = new Map(before.get(pod)?.samples.map((sample) => [keyOf(sample), sample.value]));
      return new Metrics(
        // A process that started anew counts from zero.
        samples.map((sample) => {
          const value = sample.value - (was.get(keyOf(sample)) ?? 0);
          return { ...sample, value: value < 0 ? sample.value : value };
        }),
      );
    }),
  );
}

const keyOf = ({ name, labels }: { name: string; labels: Record<string, string> }) =>
  `${name} ${JSON.stringify(labels)}`;

const requests = 'model_request_total';
const firstToken = 'model_time_to_first_token_seconds';

/** What verdicts are made of, as text that is small enough for an annotation: 20 numbers of each model. */
export function packed(of: Metrics): string {
  const sums = new Map<string, { name: string; labels: Record<string, string>; value: number }>();
  for (const { name, labels, value } of of.samples) {
    if (value === 0 || !(name === requests || name.startsWith(firstToken))) continue;
    const { model = '', status, le } = labels;
    const kept = { model, ...(status && { status }), ...(le && { le }) };
    const key = keyOf({ name, labels: kept });
    sums.set(key, { name, labels: kept, value: value + (sums.get(key)?.value ?? 0) });
  }
  return gzipSync(JSON.stringify([...sums.values()])).toString('base64');
}

export const unpacked = (text: string): Metrics =>
  new Metrics(JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString()));

/** Without the requests for models that are not there, among which are those for a model that was taken away. */
export const withoutUnknown = (of: Metrics): Metrics =>
  new Metrics(of.samples.filter(({ labels }) => labels.model !== unknownModel));

/** Requests, and those of them that were refused or failed: a client that left counts as well, as it does on both sides. */
export function answers(of: Metrics): { all: number; failed: number } {
  const by = of.by(requests, 'status');
  const all = [...by.values()].reduce((sum, count) => sum + count, 0);
  return { all, failed: (by.get('4xx') ?? 0) + (by.get('5xx') ?? 0) };
}

/** Fewer failures than these are chance, and so are fewer answers of a model. */
const fewFailures = 3;
const fewAnswers = 20;

/**
 * Why the gateway that is new has to go, or undefined: more of its requests fail than twice the share of the one before and two in
 * a hundred, or a model's first words take more than twice as long, and a second.
 */
export function verdict(now: Metrics, before: Metrics): string | undefined {
  const [mine, theirs] = [answers(now), answers(before)];
  const [share, usual] = [mine, theirs].map(({ all, failed }) => (all === 0 ? 0 : failed / all)) as [number, number];
  if (mine.failed >= fewFailures && share > 2 * usual + 0.02) {
    return `${mine.failed} of ${mine.all} requests failed, and ${theirs.failed} of ${theirs.all} before`;
  }
  for (const model of now.by(`${firstToken}_count`, 'model').keys()) {
    const [took, did] = [now, before].map((of) => of.quantile(firstToken, 0.95, { model })) as [Quantile, Quantile];
    if (took.count < fewAnswers || did.count < fewAnswers) continue;
    if (took.within > 2 * did.within + 1) {
      return `the first word of ${model} takes up to ${took.within} s in 95 of 100 answers, and took up to ${did.within} s before`;
    }
  }
  return undefined;
}

type Quantile = ReturnType<Metrics['quantile']>;
