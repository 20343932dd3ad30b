import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import type { Values } from '../../schema/values.ts';
import type { HelmRelease, ManifestObject } from '../doctor/helm-release.ts';

/** A place that a gateway of a release may have: a colour, or none. */
export type Slot = Values['gateway']['blueGreen']['active'];
export type Strategy = Values['gateway']['strategy'];

/** Label by which gateways are told apart. */
export const colourLabel = 'model-management.fineprint.ai/colour';

/** The gateway that ran before, as `gateway.blueGreen.held` has it while another takes its place. */
export interface BeforeGateway {
  slot: Slot;
  /** Where the other is. */
  next: Slot;
  /** Revision of the release to which a return leads. */
  revision: number;
  /** Models that it has and the other has not: their servers stay as long as it does. */
  retiring: string[];
  /** How the values were that keep these: a path, and what was there, if something was. */
  undo: [path: string[], before?: unknown][];
  /** Its configuration, as text; and what its objects say. */
  config: string;
  deployment: object;
  horizontalPodAutoscaler?: object;
  podDisruptionBudget?: object;
}

/** Where a deployment stands. */
export type Stand =
  | { kind: 'nothing' }
  /** One gateway. */
  | { kind: 'alone'; slot: Slot }
  /** Another is being brought up or tried; clients have the one before. */
  | { kind: 'tried'; before: BeforeGateway }
  /** Clients have the other. */
  | { kind: 'led'; before: BeforeGateway }
  /** Clients have the one before again, and the release has yet to be put back. */
  | { kind: 'returning'; before: BeforeGateway };

/** Where a release stands; takes what its Service selects in the cluster, which may have changed before the release did. */
export function standOf(release: HelmRelease | undefined, selector: Record<string, string> | undefined): Stand {
  if (!release) return { kind: 'nothing' };
  const { strategy = 'rolling', blueGreen = {} } = release.values.gateway ?? {};
  const { active = 'blue', held = '' } = blueGreen;
  if (strategy === 'rolling') return { kind: 'alone', slot: 'rolling' };
  if (held === '') return { kind: 'alone', slot: active };
  const before: BeforeGateway = JSON.parse(held);
  if (active === before.slot) return { kind: 'tried', before };
  // A rollback that did not get to its end may have led it to all gateways, as it was before there were colours.
  const leadsTo = selector?.[colourLabel] ?? 'rolling';
  return { kind: leadsTo === before.slot ? 'returning' : 'led', before };
}

/** Where the next gateway of a strategy goes. */
export function nextSlot(slot: Slot, strategy: Strategy): Slot {
  if (strategy === 'rolling') return 'rolling';
  return slot === 'blue' ? 'green' : 'blue';
}

/** Names of what belongs to the gateway of a slot, as the chart makes them. */
export const slotName = (prefix: string, slot: Slot): string => {
  const suffix = slot === 'rolling' ? '' : `-${slot}`;
  const cut = `${prefix}model-management-gateway`.slice(0, 63 - suffix.length).replace(/-+$/, '');
  return `${cut}${suffix}`;
};

type WithSpec = ManifestObject & { spec: object; data?: Record<string, string> };

/** What has to be kept of the gateway of a slot, from the manifest of its release. */
export function objectsOf(
  release: HelmRelease,
  slot: Slot,
): Pick<BeforeGateway, 'config' | 'deployment' | 'horizontalPodAutoscaler' | 'podDisruptionBudget'> {
  const name = slotName(release.values.namePrefix ?? '', slot);
  const find = (kind: string) =>
    release.objects.find((object) => object.kind === kind && object.metadata.name === name) as WithSpec | undefined;
  const [deployment, config] = [find('Deployment'), find('ConfigMap')?.data?.['config.json']];
  if (!deployment || config === undefined) {
    throw new Error(`release ${release.name}: its manifest has no gateway ${name}: install it with this chart first`);
  }
  const [scaler, budget] = [find('HorizontalPodAutoscaler'), find('PodDisruptionBudget')];
  return {
    config: config.trim(),
    deployment: deployment.spec,
    ...(scaler && { horizontalPodAutoscaler: scaler.spec }),
    ...(budget && { podDisruptionBudget: budget.spec }),
  };
}

type Serving = Pick<Values, 'servers' | 'serverDefaults' | 'models'>;

/** The server of each model that is served. */
function homes({ servers, serverDefaults }: Serving): Map<string, string> {
  const all = Object.entries(servers).filter(([, server]) => server.enabled ?? serverDefaults.enabled);
  return new Map(
    all.flatMap(([name, server]) => (server.models ?? serverDefaults.models).map((model) => [model, name] as const)),
  );
}

/**
 * What has to stay beside the new values for as long as the gateway before runs: its models that the new ones do not have, with
 * their servers as they were. Throws where a model goes from one server to another, since it cannot be on both.
 */
export function keptFor(
  models: readonly string[],
  before: Serving,
  now: Serving,
): { values: ValuesOverrides; retiring: string[]; undo: BeforeGateway['undo'] } {
  const [old, next] = [homes(before), homes(now)];
  const kept = models.filter((model) => old.has(model) && !next.has(model));
  for (const model of models) {
    const [from, to] = [old.get(model), next.get(model)];
    if (from && to && from !== to) {
      throw new Error(
        `models.${model}: goes from servers.${from} to servers.${to}, and requests would be lost on the way: ` +
          'give it another key there, with this one among its aliases, and take the old one away later',
      );
    }
  }
  const values: { models: Record<string, unknown>; servers: Record<string, unknown> } = { models: {}, servers: {} };
  for (const model of kept) {
    const { fallbacks = [], ...rest } = before.models[model]!;
    values.models[model] = { ...rest, fallbacks: fallbacks.filter((each) => next.has(each) || kept.includes(each)) };
  }
  for (const server of new Set(kept.map((model) => old.get(model)!))) {
    const mine = kept.filter((model) => old.get(model) === server);
    const stays = [...next].filter(([, home]) => home === server).map(([model]) => model);
    values.servers[server] =
      stays.length > 0
        ? { models: [...stays, ...mine] }
        : mergeValues(mergeValues(before.serverDefaults, before.servers[server]), { enabled: true, models: mine });
  }
  const undo = (['models', 'servers'] as const).flatMap((map) =>
    Object.keys(values[map]).map((key): BeforeGateway['undo'][number] => [[map, key]]),
  );
  return { values: values as ValuesOverrides, retiring: kept, undo };
}

type Tree = Record<string, unknown>;

/** Notes what is at the paths of what will be merged over, so that `undone` can put it back. */
export function noted(undo: BeforeGateway['undo'], given: Tree): BeforeGateway['undo'] {
  return undo.map(([at]) => {
    const parent = at.slice(0, -1).reduce<Tree | undefined>((tree, key) => tree?.[key] as Tree | undefined, given);
    const last = at.at(-1)!;
    return parent && Object.hasOwn(parent, last) ? [at, parent[last]] : [at];
  });
}

/** The values of a release as they are once the gateway before is gone. */
export function undone(values: Tree, before: BeforeGateway): Tree {
  const copy = structuredClone(values);
  for (const [at, ...was] of before.undo) {
    const parent = at.slice(0, -1).reduce<Tree | undefined>((tree, key) => tree?.[key] as Tree | undefined, copy);
    if (!parent) continue;
    if (was.length > 0) parent[at.at(-1)!] = was[0];
    else delete parent[at.at(-1)!];
  }
  return copy;
}
