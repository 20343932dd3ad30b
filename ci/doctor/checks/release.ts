import { type Check, type Finding, note, ok, orElse } from '../finding.ts';
import { amount, conditionOf, hasLabels } from '../kubernetes.ts';
import { serverOf } from '../look.ts';
import { ago, counted, listed, oneLine } from '../words.ts';

/** A Helm command that takes longer than this has been killed, in ms. */
const stuckMs = 10 * 60_000;

export const helm: Check = {
  name: 'Helm',
  group: 'release',
  needs: ['secrets'],
  judge: (look) => {
    const { helm: found, release, commands } = look;
    if (!found)
      return [note(`${release} is no release of Helm's: its values are not known, and its objects are looked at`)];
    const { name, revision, status, description, chart, chartVersion } = found;
    const since = look.now - Date.parse(found.at);
    const what = `${name}, revision ${revision} of ${chart} ${chartVersion}: ${status} ${ago(since)} ago`;
    const history = { to: 'see what became of each revision', run: commands.helm('history', name) };
    const back =
      revision > 1 ? [{ to: 'go back to the last one that was well', run: commands.helm('rollback', name) }] : [];
    if (status === 'deployed') return [ok(what)];
    if (status.startsWith('pending')) {
      if (since < stuckMs) return [note(`${what}; a Helm command is at work, or was killed`)];
      return [
        {
          level: 'problem',
          what,
          why: 'the command was killed, and every further upgrade is refused ("another operation is in progress")',
          fixes: [history, ...(revision > 1 ? back : [{ to: 'begin anew', run: commands.helm('uninstall', name) }])],
          more: 'docs/operations.md#helm-is-stuck',
        },
      ];
    }
    return [
      {
        level: status === 'failed' ? 'problem' : 'warning',
        what: `${what}: ${oneLine(description)}`,
        why: 'what runs may be partly of this revision and partly of the one before',
        fixes: [history, ...back],
        more: 'docs/operations.md#helm-is-stuck',
      },
    ];
  },
};

/** Which list has the objects of a kind. Only those whose absence is seen nowhere else as clearly. */
const kinds = {
  Deployment: 'deployments',
  Service: 'services',
  ConfigMap: 'configmaps',
  PersistentVolumeClaim: 'persistentvolumeclaims',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  PodDisruptionBudget: 'poddisruptionbudgets',
  Ingress: 'ingresses',
  ResourceQuota: 'resourcequotas',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  Job: 'jobs',
} as const;

export const objects: Check = {
  name: 'objects',
  group: 'release',
  needs: ['secrets', 'deployments', 'services', 'configmaps'],
  judge: (look) => {
    const all = (look.helm?.objects ?? []).filter(({ metadata }) => !metadata.annotations?.['helm.sh/hook']);
    if (all.length === 0) {
      const count = look.ours('deployments').length;
      return [note(`${counted(count, 'Deployment')}; without Helm's record nobody can say what is missing`)];
    }
    const gone: string[] = [];
    const unknown: string[] = [];
    for (const { apiVersion, kind, metadata } of all) {
      const served = look.kinds.get(apiVersion);
      if (served && !served.includes(kind)) unknown.push(`${kind} ${metadata.name} (${apiVersion})`);
      const source = Object.hasOwn(kinds, kind) ? kinds[kind as keyof typeof kinds] : undefined;
      if (!source || look.problemOf(source)) continue;
      const found = (look.list(source) as { metadata: { name: string } }[]).some(
        (each) => each.metadata.name === metadata.name,
      );
      if (!found) gone.push(`${kind} ${metadata.name}`);
    }
    const again = look.commands.helm('upgrade', look.commands.release, './charts', '--reuse-values');
    const findings: Finding[] = [];
    if (unknown.length > 0) {
      findings.push({
        level: 'problem',
        what: `the cluster does not know the kind of ${listed(unknown)}`,
        why: 'somebody has removed its CRDs, and the objects with them',
        fixes: [{ to: 'install the CRDs again, and then the release', run: again }],
      });
    }
    if (gone.length > 0) {
      findings.push({
        level: 'problem',
        what: `${gone.length === 1 ? 'an object has' : 'objects have'} been deleted: ${listed(gone)}`,
        why: 'the release does not work as it was installed',
        fixes: [{ to: 'make them again', run: again }],
      });
    }
    return orElse(findings, ok(`${counted(all.length, 'object')}, all there`));
  },
};

export const quota: Check = {
  name: 'quota',
  group: 'release',
  needs: ['deployments'],
  judge: (look) => {
    const findings = look.ours('deployments').flatMap((deployment): Finding[] => {
      const failure = conditionOf(deployment.status.conditions, 'ReplicaFailure');
      if (failure?.status !== 'True') return [];
      const message = oneLine(failure.message ?? '');
      const isQuota = message.includes('exceeded quota');
      const own = look.ours('resourcequotas').some(({ metadata }) => message.includes(metadata.name));
      return [
        {
          level: 'problem',
          what: `${deployment.metadata.name}: no pod may be made: ${message}`,
          why: isQuota
            ? 'the namespace may not hold more; a rollout needs room for a pod more than there are'
            : 'what admits pods to the namespace refuses this one',
          fixes: isQuota
            ? [
                { to: 'see what is used of what', run: look.commands.kubectl('describe', 'resourcequotas') },
                own
                  ? {
                      to: 'do without the quota of the release',
                      run: look.commands.set([['resourceQuota', 'enabled'], false]),
                    }
                  : {
                      to: 'it is not the quota of the release: ask for more, or edit it',
                      run: look.commands.kubectl('edit', 'resourcequotas'),
                    },
              ]
            : [
                {
                  to: 'see what it says',
                  run: look.commands.kubectl('describe', 'deployment', deployment.metadata.name),
                },
              ],
          more: 'docs/operations.md#no-pod-may-be-made',
        },
      ];
    });
    if (findings.length > 0) return findings;
    const full = look.list('resourcequotas').flatMap(({ metadata, status = {} }) =>
      Object.entries(status.hard ?? {})
        .filter(([resource, hard]) => amount(hard) > 0 && amount(status.used?.[resource]) >= amount(hard))
        .map(([resource, hard]) => `${metadata.name}: ${resource} ${status.used?.[resource]} of ${hard}`),
    );
    if (full.length === 0) return [ok('every pod that is asked for may be made')];
    return [
      {
        level: 'warning',
        what: `used up: ${listed(full)}`,
        why: 'the next pod will be refused, also the one that a rollout begins with',
        fixes: [{ to: 'see what is used of what', run: look.commands.kubectl('describe', 'resourcequotas') }],
        more: 'docs/operations.md#no-pod-may-be-made',
      },
    ];
  },
};

export const rollouts: Check = {
  name: 'rollouts',
  group: 'release',
  needs: ['deployments'],
  judge: (look) => {
    const deployments = look.ours('deployments');
    const stuck = deployments.filter(
      ({ status }) => conditionOf(status.conditions, 'Progressing')?.reason === 'ProgressDeadlineExceeded',
    );
    if (stuck.length > 0) {
      return stuck.map(({ metadata, spec, status }) => ({
        level: 'problem' as const,
        what: `${metadata.name}: ${status.updatedReplicas ?? 0} of ${counted(spec.replicas ?? 1, 'pod')} are new, and none came in ${ago((spec.progressDeadlineSeconds ?? 600) * 1000)}`,
        why: 'the pods of before go on serving, where there were any; "servers" says what the new ones wait for',
        fixes: [
          {
            to: 'see how far it is',
            run: look.commands.kubectl('rollout', 'status', `deployment/${metadata.name}`, '--timeout=5s'),
          },
          { to: 'or go back', run: look.commands.helm('rollback', look.commands.release) },
        ],
        more: 'docs/operations.md#a-pod-does-not-become-ready',
      }));
    }
    const going = deployments.filter(
      ({ spec, status, metadata }) =>
        status.observedGeneration !== metadata.generation ||
        (status.updatedReplicas ?? 0) !== (spec.replicas ?? 1) ||
        (status.replicas ?? 0) > (status.updatedReplicas ?? 0),
    );
    if (going.length > 0)
      return [
        note(
          `under way: ${listed(going.map(({ metadata }) => metadata.name))}; pods of before serve until the new ones are ready`,
        ),
      ];
    return [deployments.length > 0 ? ok('none is under way') : note('the release has no Deployment')];
  },
};

export const autoscalers: Check = {
  name: 'autoscalers',
  group: 'release',
  needs: ['horizontalpodautoscalers'],
  judge: (look) => {
    const all = look.ours('horizontalpodautoscalers');
    if (all.length === 0) return [note('none (autoscaling.enabled: false): the pods are as many as replicas.min says')];
    const ready = new Map(
      look.ours('deployments').map(({ metadata, status }) => [metadata.name, status.readyReplicas ?? 0]),
    );
    const findings = all.flatMap(({ metadata, spec, status = {} }): Finding[] => {
      const describe = { to: 'see what it says', run: look.commands.kubectl('describe', 'hpa', metadata.name) };
      const broken = [
        conditionOf(status.conditions, 'AbleToScale'),
        conditionOf(status.conditions, 'ScalingActive'),
      ].find((condition) => condition?.status === 'False');
      // Without a ready pod there is no load to measure: that is the pods' trouble.
      if (broken && broken.reason !== 'ScalingDisabled' && (ready.get(spec.scaleTargetRef.name) ?? 0) > 0) {
        return [
          {
            level: 'problem',
            what: `${metadata.name} cannot scale: ${oneLine(broken.message ?? broken.reason ?? '')}`,
            why: `it stays at ${counted(status.currentReplicas ?? 0, 'pod')}, whatever comes`,
            fixes: [describe],
          },
        ];
      }
      const limited = conditionOf(status.conditions, 'ScalingLimited');
      if (limited?.status === 'True' && limited.reason === 'TooManyReplicas') {
        const server = serverOf({ metadata });
        const path = server === undefined ? ['gateway'] : ['servers', server];
        return [
          {
            level: 'warning',
            what: `${metadata.name} is at its maximum of ${counted(spec.maxReplicas, 'pod')} and wants more`,
            why: 'what comes beyond that waits',
            fixes: [{ to: 'allow more', run: look.commands.set([[...path, 'replicas', 'max'], spec.maxReplicas * 2]) }],
            more: 'docs/operations.md#answers-are-slow',
          },
        ];
      }
      return [];
    });
    return orElse(findings, ok(`${counted(all.length, 'autoscaler')} at work`));
  },
};

export const budgets: Check = {
  name: 'disruption budgets',
  group: 'release',
  needs: ['poddisruptionbudgets'],
  judge: (look) => {
    const all = look.list('poddisruptionbudgets');
    const pods = look.ours('pods');
    const covering = all.filter(({ spec }) => {
      const labels = spec.selector?.matchLabels;
      return labels && pods.some(({ metadata }) => hasLabels(metadata, labels));
    });
    if (covering.length === 0) return [note('none')];
    const twice = pods.flatMap(({ metadata }) => {
      const names = covering
        .filter(({ spec }) => hasLabels(metadata, spec.selector?.matchLabels ?? {}))
        .map((each) => each.metadata.name);
      return names.length > 1 ? [names.sort().join(' and ')] : [];
    });
    const findings: Finding[] = [...new Set(twice)].map((names) => ({
      level: 'warning',
      what: `${names} are both for the same pods`,
      why: 'Kubernetes then refuses every eviction of them, so that no node with one of them can be drained',
      fixes: [{ to: 'delete the one that is not of the release', run: look.commands.kubectl('get', 'pdb') }],
    }));
    for (const { metadata, status = {} } of covering) {
      const { disruptionsAllowed = 0, currentHealthy = 0, expectedPods = 0 } = status;
      // With a pod missing none may go, which is what the budget is for.
      if (disruptionsAllowed > 0 || expectedPods === 0 || currentHealthy < expectedPods) continue;
      findings.push({
        level: 'warning',
        what: `${metadata.name} lets no pod go, though all ${expectedPods} are well`,
        why: 'a drain of their nodes, as for an upgrade of the cluster, waits for ever',
        fixes: [{ to: 'see what it asks for', run: look.commands.kubectl('describe', 'pdb', metadata.name) }],
      });
    }
    return orElse(findings, ok(`${counted(covering.length, 'budget')}, none in the way of a drain`));
  },
};
