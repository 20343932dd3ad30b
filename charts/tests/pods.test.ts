import { describe, expect, test } from 'vitest';
import type { PodSpec } from './kinds.ts';
import { environments, fleet, forecasting, render } from './render.ts';

/** Pod Security Admission's `restricted`, as its documentation has it: what must be said, and what must not. */
function violations(spec: PodSpec): string[] {
  const found: string[] = [];
  const pod = spec as PodSpec & Record<string, unknown>;
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) if (pod[key]) found.push(key);
  if (spec.securityContext.runAsNonRoot !== true) found.push('runAsNonRoot');
  if (spec.securityContext.runAsUser === 0) found.push('runAsUser');
  const seccomp = spec.securityContext.seccompProfile as { type?: string } | undefined;
  if (seccomp?.type !== 'RuntimeDefault') found.push('seccompProfile');
  const allowed = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected'];
  for (const { name, ...source } of spec.volumes) {
    if (!Object.keys(source).every((kind) => [...allowed, 'secret', 'image'].includes(kind))) found.push(name);
  }
  for (const { name, ports = [], securityContext: own } of [...(spec.initContainers ?? []), ...spec.containers]) {
    if (own.allowPrivilegeEscalation !== false) found.push(`${name}: allowPrivilegeEscalation`);
    const capabilities = own.capabilities as { drop?: string[]; add?: string[] } | undefined;
    if (!capabilities?.drop?.includes('ALL') || capabilities.add) found.push(`${name}: capabilities`);
    if (own.privileged || own.runAsNonRoot === false || own.runAsUser === 0) found.push(`${name}: privileged`);
    if (ports.some((port) => 'hostPort' in port)) found.push(`${name}: hostPort`);
  }
  return found;
}

const image = { mode: 'image', image: { reference: 'registry/models:1' } };
const modes = fleet(
  { a: {}, b: { cache: { mode: 'shared' } }, c: { cache: image }, d: { resources: { gpu: 1 } } },
  {},
  forecasting,
);
const fleets: [string, object, { environment?: (typeof environments)[number] }][] = [
  ['every cache mode', modes, {}],
  ...environments.map((environment): (typeof fleets)[number] => [environment, {}, { environment }]),
];

describe('every pod', () => {
  test.each(fleets)('renders what the restricted level asks for with %s', async (_, values, options) => {
    const { podTemplates } = await render(values, options);
    expect(Object.keys(podTemplates).length).toBeGreaterThan(1);
    for (const [name, { spec }] of Object.entries(podTemplates)) expect(violations(spec), name).toEqual([]);
  });

  test.each(fleets)('renders containers that write to nothing but volumes with %s', async (_, values, options) => {
    for (const { spec } of Object.values((await render(values, options)).podTemplates)) {
      const volumes = spec.volumes.map(({ name }) => name);
      for (const { securityContext, volumeMounts } of [...(spec.initContainers ?? []), ...spec.containers]) {
        expect(securityContext.readOnlyRootFilesystem).toBe(true);
        for (const { name } of volumeMounts) expect(volumes).toContain(name);
      }
      expect(spec.securityContext.fsGroup).toBe(spec.securityContext.runAsGroup);
      expect(spec.enableServiceLinks).toBe(false);
    }
  });

  test('renders users of its own where that is asked for, and nothing of it else', async () => {
    const hostUsers = async (values: object) =>
      Object.values((await render(values)).podTemplates).map(({ spec }) => spec.hostUsers);
    expect(new Set(await hostUsers(modes))).toEqual(new Set([undefined]));
    expect(new Set(await hostUsers({ ...modes, userNamespaces: { enabled: true } }))).toEqual(new Set([false]));
  });

  test('renders memory limits for all containers, which the quota demands', async () => {
    for (const { spec } of Object.values((await render(modes)).podTemplates)) {
      for (const { resources } of [...(spec.initContainers ?? []), ...spec.containers]) {
        expect(resources.requests).toHaveProperty('cpu');
        expect(resources.requests.memory).toBe(resources.limits.memory);
      }
    }
  });
});
