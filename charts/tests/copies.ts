import { randomBytes } from 'node:crypto';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import type { Image } from '../../ci/cluster/images.ts';
import type { Namespace } from '../../ci/cluster/namespace.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import type { ValuesOverrides } from '../../generator/environment.ts';
import type { Fleet } from './fleet.ts';

/** What copies are encrypted with. */
export const passwordSecret = (password: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'repository-keys' },
  stringData: { RESTIC_PASSWORD: password },
});

/** A disk that outlives the namespaces whose claims are bound to it, as one in the cloud does. */
export async function retainedDisk({ kubectl, node }: Cluster) {
  const name = `copies-${randomBytes(4).toString('hex')}`;
  const folder = `/run/${name}`;
  await runInNode(node, ['install', '--directory', '--mode=0777', folder]);
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '100Mi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: name,
      hostPath: { path: folder },
    },
  };
  await kubectl(['create', '--filename', '-'], { input: JSON.stringify(volume) });
  return {
    /** A claim that gets it. */
    claim: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'copies' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: name, resources: { requests: { storage: '100Mi' } } },
    },
    /** Whoever claims it next gets it, as it is. */
    release: () => kubectl(['patch', 'pv', name, '--patch', '{"spec": {"claimRef": null}}']),
    [Symbol.asyncDispose]: async () => {
      await kubectl(['delete', 'pv', name, '--wait=false']);
      await runInNode(node, ['rm', '-r', folder]);
    },
  };
}

/** A fleet whose models are on a shared claim, and whose copies are on the claim of a retained disk. */
export const backupValues = ({ repository, tag }: Image): ValuesOverrides => ({
  serverDefaults: { cache: { mode: 'shared' } },
  sharedCache: { size: '64Mi' },
  backup: {
    enabled: true,
    image: { repository, tag },
    claim: { existingClaim: 'copies' },
    existingSecret: 'repository-keys',
    resources: { cpu: '50m', memory: '256Mi' },
  },
});

/** Of `npm run restore`, for a namespace that has that claim and the password. */
export const restoreArguments = ({ name, cluster }: Namespace, from: string, restic: Image): string[] => [
  ...['--name', cluster.name, '--namespace', name, '--release', 'fleet', '--secret', 'repository-keys'],
  ...['--from', from, '--claim', 'copies', '--image', restic.reference],
];

/** Address of the gateway's Service in a namespace. */
export const addressIn = async (namespace: Namespace) => {
  const { spec } = await namespace.get('service', 'model-management');
  return `http://${spec.clusterIP}:${spec.ports[0].port}`;
};

/** Runs the CronJob's Job at once, and gives back whether it succeeded and what its steps said. */
export async function backUp({ namespace }: Fleet, job: string): Promise<{ succeeded: boolean; log: string }> {
  await namespace.kubectl(['create', 'job', job, '--from=cronjob/model-management-backup']);
  await namespace.kubectl(['patch', 'job', job, '--patch', '{"spec": {"backoffLimit": 0}}']);
  const status = await namespace.until(`the end of ${job}`, 180, async () => {
    const { status } = await namespace.get('job', job);
    return status.succeeded || status.failed ? status : undefined;
  });
  // A step that was not come to has no log, which kubectl refuses to give with the others'.
  const logOf = (step: string) => namespace.kubectl(['logs', `job/${job}`, '--container', step]).catch(() => '');
  const log = (await Promise.all(['collect', 'restic', 'report'].map(logOf))).join('\n');
  return { succeeded: status.succeeded === 1, log };
}
