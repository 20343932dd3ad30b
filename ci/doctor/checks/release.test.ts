import { describe, expect, it } from 'vitest';
import type { Autoscaler, DisruptionBudget } from '../kubernetes.ts';
import { addServer, commandsOf, emptyLook, found, secondsAgo } from '../testing.ts';
import { autoscalers, budgets, helm, objects, quota, rollouts } from './release.ts';

const release = {
  name: 'fleet',
  revision: 2,
  status: 'deployed',
  description: '',
  at: secondsAgo(7200),
  chart: 'model-management',
  chartVersion: '0.1.0',
  values: {},
  objects: [],
};
const labels = { 'app.kubernetes.io/instance': 'fleet' };

describe('Helm', () => {
  const of = (over: object) => Object.assign(emptyLook(), { helm: { ...release, ...over } });

  it('is fine with a release that is deployed', () => {
    expect(found(helm, of({}))).toEqual(['ok: fleet, revision 2 of model-management 0.1.0: deployed 2 h ago']);
  });

  it('may be at work for a while, and is stuck then', () => {
    expect(found(helm, of({ status: 'pending-upgrade', at: secondsAgo(60) }))[0]).toMatch(
      /^note: .*at work, or was killed$/,
    );
    const stuck = helm.judge(of({ status: 'pending-upgrade' }));
    expect(stuck[0]).toMatchObject({ level: 'problem' });
    expect(commandsOf(stuck)).toEqual(['helm -n models history fleet', 'helm -n models rollback fleet']);
    const first = helm.judge(of({ status: 'pending-install', revision: 1 }));
    expect(commandsOf(first)).toEqual(['helm -n models history fleet', 'helm -n models uninstall fleet']);
  });

  it('says why it failed', () => {
    expect(found(helm, of({ status: 'failed', description: 'Upgrade "fleet" failed: no\nmatches' }))).toEqual([
      'problem: fleet, revision 2 of model-management 0.1.0: failed 2 h ago: Upgrade "fleet" failed: no matches',
    ]);
  });

  it('may be another tool', () => {
    expect(found(helm, emptyLook())[0]).toMatch(/^note: fleet is no release of Helm's/);
  });
});

describe('objects', () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'ollama-one' } };

  it('that are gone are named', () => {
    const look = Object.assign(emptyLook(), { helm: { ...release, objects: [service] } });
    look.put('services', { value: [] });
    expect(found(objects, look)).toEqual(['problem: an object has been deleted: Service ollama-one']);
    look.put('services', { value: [{ metadata: { name: 'ollama-one' }, spec: { ports: [] } }] });
    expect(found(objects, look)).toEqual(['ok: 1 object, all there']);
  });

  it('of a kind that the cluster does not know any more are named', () => {
    const monitor = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor', metadata: { name: 'fleet' } };
    const look = Object.assign(emptyLook(), { helm: { ...release, objects: [monitor] } });
    look.kinds.set('monitoring.coreos.com/v1', []);
    expect(found(objects, look)).toEqual([
      'problem: the cluster does not know the kind of PodMonitor fleet (monitoring.coreos.com/v1)',
    ]);
  });
});

describe('quota', () => {
  it('warns when it is used up, before a rollout finds out', () => {
    const look = emptyLook();
    addServer(look, 'one');
    const value = (used: string) => [
      {
        metadata: { name: 'team' },
        status: { hard: { pods: '4', 'requests.cpu': '2' }, used: { pods: used, 'requests.cpu': '500m' } },
      },
    ];
    look.put('resourcequotas', { value: value('3') });
    expect(found(quota, look)).toEqual(['ok: every pod that is asked for may be made']);
    look.put('resourcequotas', { value: value('4') });
    expect(found(quota, look)).toEqual(['warning: used up: team: pods 4 of 4']);
  });
});

describe('rollouts', () => {
  it('are stuck when nothing came for their time, and under way before', () => {
    const look = emptyLook();
    const conditions = [{ type: 'Progressing', status: 'False' as const, reason: 'ProgressDeadlineExceeded' }];
    addServer(look, 'one', { replicas: 2, status: { updatedReplicas: 1, conditions } });
    expect(found(rollouts, look)).toEqual(['problem: ollama-one: 1 of 2 pods are new, and none came in 10 min']);
    const going = emptyLook();
    addServer(going, 'one', { replicas: 2, status: { updatedReplicas: 1 } });
    expect(found(rollouts, going)).toEqual([
      'note: under way: ollama-one; pods of before serve until the new ones are ready',
    ]);
    const old = emptyLook();
    addServer(old, 'one', { status: { updatedReplicas: 1, replicas: 2 } });
    expect(found(rollouts, old)[0]).toMatch(/^note: under way: ollama-one/);
    const done = emptyLook();
    addServer(done, 'one', { status: { updatedReplicas: 1, replicas: 1 } });
    expect(found(rollouts, done)).toEqual(['ok: none is under way']);
  });
});

describe('autoscalers', () => {
  const look = (conditions: NonNullable<Autoscaler['status']>['conditions'], readyReplicas = 1) => {
    const look = emptyLook();
    addServer(look, 'one', { status: { readyReplicas } });
    const spec = { maxReplicas: 4, scaleTargetRef: { kind: 'Deployment', name: 'ollama-one' } };
    look.put('horizontalpodautoscalers', {
      value: [
        {
          metadata: { name: 'x-one', labels: { ...labels, 'model-management.fineprint.ai/server': 'ollama-one' } },
          spec,
          status: { currentReplicas: 1, conditions: conditions! },
        },
      ],
    });
    return look;
  };
  const blind = {
    type: 'ScalingActive',
    status: 'False' as const,
    reason: 'FailedGetContainerResourceMetric',
    message: 'no metrics',
  };

  it('that cannot scale are a problem, but not before there is a pod to measure', () => {
    expect(found(autoscalers, look([blind]))).toEqual(['problem: x-one cannot scale: no metrics']);
    expect(found(autoscalers, look([blind], 0))).toEqual(['ok: 1 autoscaler at work']);
  });

  it('at their maximum that want more are a warning', () => {
    const limited = { type: 'ScalingLimited', status: 'True' as const, reason: 'TooManyReplicas' };
    const findings = autoscalers.judge(look([limited]));
    expect(findings[0]!.what).toBe('x-one is at its maximum of 4 pods and wants more');
    expect(commandsOf(findings)[0]).toContain('servers.ollama-one.replicas.max=8');
    expect(found(autoscalers, look([{ ...limited, reason: 'TooFewReplicas' }]))[0]).toMatch(/^ok/);
  });
});

describe('disruption budgets', () => {
  const budget = (name: string, status: DisruptionBudget['status']): DisruptionBudget => ({
    metadata: { name },
    spec: { selector: { matchLabels: labels } },
    status: status!,
  });
  const look = (...value: DisruptionBudget[]) => {
    const look = emptyLook();
    addServer(look, 'one');
    look.put('poddisruptionbudgets', { value });
    return look;
  };

  it('let a pod go when all are well, and need not before', () => {
    const well = { disruptionsAllowed: 1, currentHealthy: 2, expectedPods: 2 };
    expect(found(budgets, look(budget('a', well)))).toEqual(['ok: 1 budget, none in the way of a drain']);
    expect(found(budgets, look(budget('a', { ...well, disruptionsAllowed: 0, currentHealthy: 1 })))[0]).toMatch(/^ok/);
    expect(found(budgets, look(budget('a', { ...well, disruptionsAllowed: 0 })))).toEqual([
      'warning: a lets no pod go, though all 2 are well',
    ]);
  });

  it('for the same pods are one too many', () => {
    const well = { disruptionsAllowed: 1, currentHealthy: 2, expectedPods: 2 };
    expect(found(budgets, look(budget('b', well), budget('a', well)))).toEqual([
      'warning: a and b are both for the same pods',
    ]);
  });
});
