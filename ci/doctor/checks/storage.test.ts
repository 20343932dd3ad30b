import { describe, expect, it } from 'vitest';
import type { Claim } from '../kubernetes.ts';
import { addServer, commandsOf, emptyLook, found, now, secondsAgo } from '../testing.ts';
import { claims, storageClasses } from './storage.ts';

const labels = { 'app.kubernetes.io/instance': 'fleet', 'model-management.fineprint.ai/server': 'ollama-one' };
const volumes = (storageClassName?: string) => [
  {
    name: 'models',
    ephemeral: {
      volumeClaimTemplate: {
        spec: { ...(storageClassName && { storageClassName }), resources: { requests: { storage: '1Gi' } } },
      },
    },
  },
];

describe('storage classes', () => {
  const look = (wanted: string | undefined, classes: [name: string, isDefault?: boolean][]) => {
    const look = emptyLook();
    addServer(look, 'one', { spec: { volumes: volumes(wanted) } });
    const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    look.put('storageclasses', {
      value: classes.map(([name, isDefault]) => ({ metadata: { name, ...(isDefault && { annotations }) } })),
    });
    return look;
  };

  it('are fine where those that are named are there', () => {
    expect(found(storageClasses, look('fast', [['fast']]))).toEqual(['ok: fast']);
    expect(found(storageClasses, look(undefined, [['fast'], ['slow', true]]))).toEqual(['ok: slow (the default)']);
  });

  it('are a problem where a name leads nowhere, or there is no default', () => {
    const named = storageClasses.judge(look('fast', [['slow']]));
    expect(named[0]!.what).toBe('there is no class fast, which ollama-one relies on; there is slow');
    expect(commandsOf(named)[0]).toContain('--set serverDefaults.cache.storageClass=slow');
    const byDefault = storageClasses.judge(look(undefined, [['slow']]));
    expect(byDefault[0]!.what).toBe('the cluster has no default class, which ollama-one relies on; there is slow');
    expect(commandsOf(byDefault)[1]).toBe(
      'kubectl annotate storageclass slow storageclass.kubernetes.io/is-default-class=true',
    );
  });
});

describe('claims', () => {
  const look = (
    phase: string,
    over: Partial<Claim['spec']> = {},
    age = 60,
    event?: [reason: string, message: string],
  ) => {
    const look = emptyLook();
    const metadata = { name: 'p-models', labels, creationTimestamp: secondsAgo(age) };
    look.put('persistentvolumeclaims', { value: [{ metadata, spec: over, status: { phase } }] });
    const involvedObject = { kind: 'PersistentVolumeClaim', name: 'p-models' };
    const of = { metadata: { name: 'e' }, type: 'Warning', lastTimestamp: new Date(now).toISOString(), involvedObject };
    look.put('events', { value: event ? [{ ...of, reason: event[0], message: event[1] }] : [] });
    return look;
  };

  it('are fine when bound, or when they wait for the node of their pod', () => {
    expect(found(claims, look('Bound'))).toEqual(['ok: 1 of 1 bound']);
    expect(found(claims, look('Pending', {}, 60, ['WaitForFirstConsumer', 'waiting']))[0]).toMatch(/^ok: 0 of 1 bound/);
  });

  it('are a problem when nothing makes their volume, and it is said why', () => {
    expect(found(claims, look('Pending', {}, 60, ['ProvisioningFailed', 'the disk quota is used up']))).toEqual([
      'problem: p-models is pending: the disk quota is used up',
    ]);
  });

  it('for many writers may be of a class that cannot have them', () => {
    const [finding] = claims.judge(
      look('Pending', { accessModes: ['ReadWriteMany'] }, 60, ['ProvisioningFailed', 'no']),
    );
    expect(finding!.why).toMatch(/not every storage class can make volumes that many nodes write to/);
  });

  it('are a problem when their volume is lost', () => {
    expect(found(claims, look('Lost'))).toEqual(['problem: p-models has lost its volume']);
  });
});
