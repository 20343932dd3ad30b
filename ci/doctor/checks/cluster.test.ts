import { describe, expect, it } from 'vitest';
import { type Check, judge } from '../finding.ts';
import { addServer, commandsOf, emptyLook, found, node } from '../testing.ts';
import { clusterChecks } from './cluster.ts';
import { rights } from './rights.ts';

const check = (name: string) => clusterChecks.find((each) => each.name === name)!;

describe('Kubernetes', () => {
  const of = (version: string) => Object.assign(emptyLook(), { version });

  it('has to be 1.29 or later', () => {
    expect(found(check('Kubernetes'), of('v1.29.0'))).toEqual(['ok: v1.29.0; the chart needs 1.29 or later']);
    expect(found(check('Kubernetes'), of('v1.28.9-gke.1'))).toEqual([
      'problem: v1.28.9-gke.1: the chart needs 1.29 or later',
    ]);
  });

  it('has to be 1.35 or later for models in an image', () => {
    const look = (version: string) => {
      const look = of(version);
      addServer(look, 'one', { spec: { volumes: [{ name: 'models', image: { reference: 'x' } }] } });
      return look;
    };
    expect(found(check('Kubernetes'), look('v1.35.0'))).toHaveLength(1);
    expect(found(check('Kubernetes'), look('v1.34.2'))[1]).toBe(
      'problem: ollama-one: cache.mode image needs Kubernetes 1.35 or later, and this is v1.34.2',
    );
  });

  it('warns of a server that may have no pod where nothing brings one back', () => {
    const look = of('v1.36.0');
    addServer(look, 'one', { replicas: 0, pods: [] });
    expect(found(check('Kubernetes'), look)[1]).toBe('warning: ollama-one: replicas.min is 0, and no scaler is there');
    look.apiGroups = ['keda.sh'];
    expect(found(check('Kubernetes'), look)).toHaveLength(1);
  });
});

describe('nodes', () => {
  const down = (name: string) =>
    node(
      name,
      {},
      { status: { conditions: [{ type: 'Ready', status: 'Unknown', message: 'the kubelet is silent' }] } },
    );
  const look = (...nodes: ReturnType<typeof node>[]) => {
    const look = emptyLook();
    look.put('nodes', { value: nodes });
    return look;
  };

  it('are fine when ready; cordoned ones are named', () => {
    expect(found(check('nodes'), look(node('a'), node('b', {}, { spec: { unschedulable: true } })))).toEqual([
      'ok: 2 of 2 ready; b cordoned, which takes no new pods',
    ]);
  });

  it('are a warning when some are away, and a problem when all are', () => {
    expect(found(check('nodes'), look(node('a'), down('b')))).toEqual([
      'ok: 1 of 2 ready',
      'warning: b is not ready: the kubelet is silent',
    ]);
    expect(found(check('nodes'), look(down('b')))).toContain('problem: no node is ready');
  });

  it('are a warning when they run short', () => {
    const full = node('a');
    full.status.conditions!.push({ type: 'DiskPressure', status: 'True' }, { type: 'PIDPressure', status: 'False' });
    expect(found(check('nodes'), look(full))[1]).toBe('warning: a is short of resources: DiskPressure');
  });
});

describe('the metrics API', () => {
  const autoscaler = {
    metadata: { name: 'ollama-one', labels: { 'app.kubernetes.io/instance': 'fleet' } },
    spec: { maxReplicas: 2, scaleTargetRef: { kind: 'Deployment', name: 'ollama-one' } },
  };
  const service = (status: 'False') => ({
    metadata: { name: 'v1beta1.metrics.k8s.io' },
    status: { conditions: [{ type: 'Available', status, message: 'no endpoint' }] },
  });

  it('is needed by autoscalers alone', () => {
    const look = emptyLook();
    look.put('podmetrics', { problem: 'absent', message: '' });
    expect(found(check('metrics API'), look)[0]).toMatch(
      /^note: nothing serves metrics.k8s.io; no autoscaler needs it/,
    );
    look.put('horizontalpodautoscalers', { value: [autoscaler] });
    const [finding] = check('metrics API').judge(look);
    expect(finding).toMatchObject({ level: 'problem', why: 'the autoscalers of ollama-one do nothing' });
    expect(commandsOf([finding!])[0]).toContain('helm install metrics-server');
    look.put('apiservices', { value: [service('False')] });
    expect(found(check('metrics API'), look)).toEqual(['problem: metrics.k8s.io does not answer: no endpoint']);
    look.put('podmetrics', { value: [] });
    expect(found(check('metrics API'), look)).toEqual(['ok: metrics.k8s.io answers']);
  });
});

describe('operators', () => {
  it('are needed by what the release is made of', () => {
    const look = emptyLook();
    const operator = check('Prometheus operator');
    expect(found(operator, look)).toEqual(['note: not there, and nothing of the release needs it']);
    const object = { apiVersion: 'monitoring.coreos.com/v1', kind: 'PodMonitor', metadata: { name: 'fleet' } };
    look.helm = {
      name: 'fleet',
      revision: 1,
      status: 'failed',
      description: '',
      at: '',
      chart: '',
      chartVersion: '',
      values: {},
      objects: [object],
    };
    expect(found(operator, look)).toEqual([
      'problem: its kinds (monitoring.coreos.com) are not there, and PodMonitor fleet needs them',
    ]);
    look.apiGroups = ['monitoring.coreos.com'];
    expect(found(operator, look)).toEqual(['ok: its kinds (monitoring.coreos.com) are there, for PodMonitor fleet']);
  });
});

describe('DNS', () => {
  it('has to have somebody who answers', () => {
    const look = emptyLook();
    look.dns = { service: true, ready: 0 };
    expect(found(check('DNS'), look)).toEqual(['problem: kube-dns has no ready endpoint']);
    look.dns = { service: true, ready: 2 };
    expect(found(check('DNS'), look)).toEqual(['ok: kube-dns has 2 ready endpoints']);
  });
});

describe('a check that fails by itself', () => {
  it('takes no other with it', () => {
    const broken: Check = {
      name: 'broken',
      group: 'cluster',
      judge: () => {
        throw new Error('nobody thought of this');
      },
    };
    expect(judge([broken, check('Kubernetes')], emptyLook()).map(({ level, what }) => `${level}: ${what}`)).toEqual([
      "unknown: not looked at, by a fault of doctor's own: nobody thought of this",
      'ok: v1.37.2; the chart needs 1.29 or later',
    ]);
  });
});

describe('rights', () => {
  it('that are missing are said once, with the commands that give them, and the checks that need them are left out', () => {
    const look = emptyLook();
    look.put('nodes', { problem: 'refused', message: 'forbidden' });
    look.put('podmetrics', { problem: 'refused', message: 'forbidden' });
    look.note('secrets', { problem: 'refused', message: 'forbidden' });
    look.note('nodes/proxy', { problem: 'refused', message: 'forbidden' });
    const [finding] = rights.judge(look);
    expect(finding).toMatchObject({ level: 'unknown', what: 'you may not read nodes, podmetrics, secrets' });
    expect(commandsOf([finding!])).toEqual([
      'kubectl create clusterrole doctor --verb=get,list --resource=nodes && kubectl create clusterrolebinding doctor --clusterrole=doctor --user=WHO',
      'kubectl -n models create role doctor --verb=get,list --resource=pods.metrics.k8s.io,secrets && kubectl -n models create rolebinding doctor --role=doctor --user=WHO',
    ]);
    expect(judge([check('nodes')], look)).toEqual([
      {
        check: 'nodes',
        group: 'cluster',
        level: 'unknown',
        what: 'not looked at: you may not read nodes (see "rights")',
      },
    ]);
  });
});
