import { gunzipSync } from 'node:zlib';
import { parseAllDocuments } from 'yaml';
import { mergeValues } from '../../generator/environment.ts';
import type { DeepPartial, Values } from '../../schema/values.ts';
import type { Secret } from './kubernetes.ts';

/** An object as a manifest names it. */
export interface ManifestObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
}

/** A release of the chart, as Helm keeps it. */
export interface HelmRelease {
  name: string;
  revision: number;
  /** `deployed`, `failed`, `pending-upgrade`… */
  status: string;
  /** What Helm says of the last thing it did. */
  description: string;
  /** When that was, as a time of ISO 8601. */
  at: string;
  chart: string;
  chartVersion: string;
  values: DeepPartial<Values>;
  objects: ManifestObject[];
}

interface Stored {
  name: string;
  version: number;
  info?: { status?: string; description?: string; last_deployed?: string };
  chart?: { metadata?: { name?: string; version?: string }; values?: Record<string, unknown> };
  config?: Record<string, unknown> | null;
  manifest?: string;
}

const type = 'helm.sh/release.v1';

/** The newest revision of each release among the Secrets of a namespace. */
export function newestRevisions(secrets: readonly Secret[]): Map<string, Secret> {
  const newest = new Map<string, Secret>();
  const revision = (secret: Secret | undefined) => Number(secret?.metadata.labels?.version ?? 0);
  for (const secret of secrets.filter((each) => each.type === type)) {
    const name = secret.metadata.labels?.name ?? '';
    if (revision(secret) > revision(newest.get(name))) newest.set(name, secret);
  }
  return newest;
}

/** Reads a release from its Secret: JSON, compressed, in Base64 as all Secrets are, and once more as Helm does it. */
export function readRelease(secret: Secret): HelmRelease {
  const text = Buffer.from(secret.data?.release ?? '', 'base64').toString();
  const stored: Stored = JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString());
  const { info = {}, chart = {} } = stored;
  return {
    name: stored.name,
    revision: stored.version,
    status: info.status ?? 'unknown',
    description: info.description ?? '',
    at: info.last_deployed ?? '',
    chart: chart.metadata?.name ?? '',
    chartVersion: chart.metadata?.version ?? '',
    values: ours(mergeValues(chart.values ?? {}, stored.config ?? {}) as Record<string, unknown>),
    objects: parseAllDocuments(stored.manifest ?? '').flatMap((document) => {
      const object = (document as { toJS?: () => unknown }).toJS?.() as ManifestObject | null | undefined;
      return object?.kind ? [object] : [];
    }),
  };
}

/** Whether these are values of this chart: no other has both of these keys. */
const isOurs = (values: unknown): values is DeepPartial<Values> =>
  typeof values === 'object' && values !== null && 'servers' in values && 'serverDefaults' in values;

/** The values of this chart, also where it is part of another under whatever name. */
function ours(values: Record<string, unknown>): DeepPartial<Values> {
  return isOurs(values) ? values : (Object.values(values).find(isOurs) ?? {});
}

export const isOurChart = (release: HelmRelease): boolean =>
  release.chart === 'model-management' || Object.keys(release.values).length > 0;
