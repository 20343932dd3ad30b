import { type Check, type Finding, note, ok, orElse } from '../finding.ts';
import type { Claim } from '../kubernetes.ts';
import { type Look, serverOf } from '../look.ts';
import { listed, oneLine } from '../words.ts';

const more = 'docs/operations.md#a-claim-stays-pending';
const byDefault = 'storageclass.kubernetes.io/is-default-class';

/** The claims that the release's pods use: their own, and the shared one whoever made it. */
function claimsOf(look: Look): Claim[] {
  const named = new Set<string>();
  const templates = [...look.ours('deployments'), ...look.ours('jobs')].map(({ spec }) => spec.template.spec);
  for (const { volumes = [] } of templates) {
    for (const { persistentVolumeClaim } of volumes)
      if (persistentVolumeClaim) named.add(persistentVolumeClaim.claimName);
  }
  const ours = new Set(look.ours('persistentvolumeclaims'));
  return look.list('persistentvolumeclaims').filter((claim) => ours.has(claim) || named.has(claim.metadata.name));
}

/** Class → who names it. Empty stands for the default. */
function wantedClasses(look: Look): Map<string, string[]> {
  const wanted = new Map<string, string[]>();
  const add = (name: string, by: string) => wanted.set(name, [...(wanted.get(name) ?? []), by]);
  for (const { name, storageClass } of look.servers) if (storageClass !== undefined) add(storageClass, name);
  for (const { metadata, spec } of claimsOf(look)) {
    if (serverOf({ metadata }) === undefined) add(spec.storageClassName ?? '', `claim ${metadata.name}`);
  }
  return wanted;
}

/** The values that name the class of these servers and claims. */
function placesOf(look: Look, by: readonly string[]): string[][] {
  const places = by.map((name) => {
    if (name.startsWith('claim ')) return ['sharedCache', 'storageClass'];
    const own = look.values.servers?.[name]?.cache?.storageClass !== undefined;
    return own ? ['servers', name, 'cache', 'storageClass'] : ['serverDefaults', 'cache', 'storageClass'];
  });
  return [...new Map(places.map((place) => [place.join(' '), place])).values()];
}

export const storageClasses: Check = {
  name: 'storage classes',
  group: 'cluster',
  needs: ['storageclasses'],
  judge: (look) => {
    const classes = look.list('storageclasses');
    const standard = classes.filter(({ metadata }) => metadata.annotations?.[byDefault] === 'true');
    const there = classes.map(({ metadata }) => metadata.name);
    const wanted = wantedClasses(look);
    const findings: Finding[] = [];
    const fine: string[] = [];
    for (const [name, by] of wanted) {
      if (name === '' ? standard.length > 0 : there.includes(name)) {
        fine.push(name === '' ? `${standard[0]!.metadata.name} (the default)` : name);
        continue;
      }
      const what = name === '' ? 'the cluster has no default class' : `there is no class ${name}`;
      const choice = there.length > 0 ? `there is ${listed(there)}` : 'there is none at all';
      const other = (standard[0] ?? classes[0])?.metadata.name ?? 'CLASS';
      findings.push({
        level: 'problem',
        what: `${what}, which ${listed(by)} ${by.length === 1 ? 'relies' : 'rely'} on; ${choice}`,
        why: 'claims of it stay pending, and their pods with them',
        fixes: [
          {
            to: 'name one that is there',
            run: look.commands.set(...placesOf(look, by).map((path) => [path, other] as [string[], string])),
          },
          ...(name === '' && there[0]
            ? [
                {
                  to: 'or make one the default',
                  run: look.commands.cluster('annotate', 'storageclass', there[0], `${byDefault}=true`),
                },
              ]
            : []),
        ],
        more,
      });
    }
    return orElse(findings, wanted.size > 0 ? ok(listed(fine)) : note('no claim names any'));
  },
};

export const claims: Check = {
  name: 'claims',
  group: 'release',
  needs: ['persistentvolumeclaims'],
  judge: (look) => {
    const all = claimsOf(look);
    if (all.length === 0) return [note('none is made')];
    const findings = all.flatMap((claim) => ofClaim(look, claim));
    const bound = all.filter(({ status }) => status.phase === 'Bound').length;
    return orElse(findings, ok(`${bound} of ${all.length} bound`));
  },
};

function ofClaim(look: Look, claim: Claim): Finding[] {
  const { name } = claim.metadata;
  const describe = { to: 'see what it waits for', run: look.commands.kubectl('describe', 'pvc', name) };
  if (claim.status.phase === 'Lost') {
    return [
      {
        level: 'problem',
        what: `${name} has lost its volume`,
        why: 'its pod cannot start, and what was on it is gone; an ephemeral one is filled again',
        fixes: [
          describe,
          { to: 'take it away, so that another is made', run: look.commands.kubectl('delete', 'pvc', name) },
        ],
        more,
      },
    ];
  }
  if (claim.status.phase !== 'Pending') return [];
  const event = look
    .list('events')
    .findLast(
      ({ involvedObject, reason }) =>
        involvedObject.kind === 'PersistentVolumeClaim' &&
        involvedObject.name === name &&
        reason !== 'ExternalProvisioning',
    );
  // It is bound when its pod has a node, so it is the pod that has something to say.
  if (event?.reason === 'WaitForFirstConsumer' || event?.reason === 'WaitForPodScheduled') return [];
  const isShared = claim.spec.accessModes?.includes('ReadWriteMany');
  // Between its making and its volume there are seconds.
  const isYoung = look.now - Date.parse(claim.metadata.creationTimestamp ?? '') < 10_000;
  if (!event && (isYoung || !isShared)) return isYoung ? [] : [waits(name, 'nothing says why', describe, isShared)];
  return [waits(name, oneLine(event?.message ?? 'nothing says why'), describe, isShared)];
}

function waits(
  name: string,
  said: string,
  describe: { to: string; run: string },
  isShared: boolean | undefined,
): Finding {
  return {
    level: 'problem',
    what: `${name} is pending: ${said}`,
    why: isShared
      ? 'its pods cannot start; not every storage class can make volumes that many nodes write to (ReadWriteMany)'
      : 'its pod cannot start',
    fixes: [describe],
    more,
  };
}
