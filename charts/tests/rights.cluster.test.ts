import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { type Action, ApiReader } from '../../ci/cluster/reader.ts';
import type { Resource } from '../../ci/cluster/testing.ts';
import { root } from '../../ci/tools/paths.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { testFleet, tinyServer } from './fleet.ts';

/** What the table of docs/security.md says that an account may do. */
interface Right {
  account: string;
  verbs: string[];
  resources: string[];
  isOfNamespace: boolean;
}

const text = readFileSync(path.join(root, 'docs/security.md'), 'utf8');
const rights: Right[] = [
  ...text.matchAll(/^\| (\w+) \| ([a-z, ]+) \| ([a-z0-9., ]+) \| (its namespace|the cluster) \|/gm),
].map(([, account, verbs, resources, where]) => ({
  account: account!,
  verbs: verbs!.split(', '),
  resources: resources!.split(', '),
  isOfNamespace: where === 'its namespace',
}));

/** What the API server can do with resources, and what it asks about that is nothing to do with one. */
const usual = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const special = ['impersonate', 'bind', 'escalate', 'approve', 'sign', 'attest', 'use', '*'];

const nameOf = ({ verb, group, resource, subresource, namespace }: Action) =>
  `${verb} ${resource}${group && `.${group}`}${subresource && `/${subresource}`} in ${namespace || 'the cluster'}`;

it('gives each account the rights of the table of docs/security.md and no other, by the word of the API server', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const backup = { enabled: true, existingSecret: 'none', schedule: '@yearly' };
  await fleet.deploy(mergeValues(tinyServer('one'), { backup }) as ValuesOverrides);
  const accounts = (await namespace.list('serviceaccounts')).map(({ metadata }) => metadata.name);
  const own = accounts.filter((name) => name !== 'default');
  expect(own).toContain('model-management-servers');
  const reader = new ApiReader(namespace.cluster.node.layout);
  const types = await reader.resourceTypes();
  const actions = types.flatMap(({ group, resource, subresource, isNamespaced, verbs }) =>
    [...new Set([...usual, ...special, ...verbs])].flatMap((verb) =>
      (isNamespaced ? [namespace.name, ''] : ['']).map(
        (where): Action => ({ verb, group, resource, subresource, namespace: where }),
      ),
    ),
  );
  // Kinds that are no resources: who may speak in whose name.
  for (const resource of ['users', 'groups', 'serviceaccounts', 'uids']) {
    actions.push({ verb: 'impersonate', group: '', resource, subresource: '', namespace: '' });
  }
  expect(actions.length).toBeGreaterThan(2000);

  for (const name of own) {
    const account = { namespace: namespace.name, name };
    const isOf = (right: Right) => right.account === 'everybody' || `model-management-${right.account}` === name;
    const expected = rights
      .filter(isOf)
      .flatMap(({ verbs, resources, isOfNamespace }) =>
        verbs.flatMap((verb) =>
          resources.map((resource) => `${verb} ${resource} in ${isOfNamespace ? namespace.name : 'the cluster'}`),
        ),
      );
    const allowed: string[] = [];
    const left = actions.values();
    const asker = async () => {
      for (const action of left) if (await reader.isAllowed(account, action)) allowed.push(nameOf(action));
    };
    await Promise.all(Array.from({ length: 16 }, asker));
    expect([name, allowed.sort()]).toEqual([name, expected.sort()]);
  }

  // The backup's pods are there once a year.
  const running = own.filter((name) => name !== 'model-management-backup');
  const pods = (await namespace.until('a pod of each account', 60, async () => {
    const all = await namespace.list('pods');
    return new Set(all.map(({ spec }) => spec.serviceAccountName)).size === running.length && all;
  })) as Resource[];
  const withToken = pods.filter(({ spec }: Resource) =>
    spec.volumes.some(({ projected }: Resource) =>
      projected?.sources.some((source: Resource) => source.serviceAccountToken),
    ),
  );
  const accountsWithToken = withToken.map(({ spec }: Resource) => spec.serviceAccountName);
  const accountsWithRights = rights
    .filter(({ account }) => !['everybody', 'backup'].includes(account))
    .map(({ account }) => `model-management-${account}`);
  expect([...new Set(accountsWithToken)]).toEqual(accountsWithRights);
});
