import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from '../tools/run.ts';
import { apiPort, clusterDomain, type Layout, nodeFolder, nodeName } from './layout.ts';

/** Who has a client certificate, and what Kubernetes knows them as. */
const clients = {
  admin: { CN: 'kubernetes-admin', O: 'system:masters' },
  'kube-controller-manager': { CN: 'system:kube-controller-manager' },
  'kube-scheduler': { CN: 'system:kube-scheduler' },
  'kube-proxy': { CN: 'system:kube-proxy' },
  kubelet: { CN: `system:node:${nodeName}`, O: 'system:nodes' },
  coredns: { CN: 'system:coredns' },
  'metrics-server': { CN: 'system:metrics-server' },
  provisioner: { CN: 'system:provisioner' },
  prometheus: { CN: 'system:prometheus' },
  'kube-state-metrics': { CN: 'system:kube-state-metrics' },
  'prometheus-adapter': { CN: 'system:prometheus-adapter' },
  'kube-router': { CN: 'system:kube-router' },
  keda: { CN: 'system:keda' },
  apiserver: { CN: 'kube-apiserver-kubelet-client', O: 'system:masters' },
} as const;

export type Client = keyof typeof clients;

/**
 * Makes every certificate of a cluster in its folder `pki`, and a kubeconfig for each client beside them: those in
 * `kubeconfigs` with paths of the node, the admin's complete in itself.
 */
export async function makeCertificates(layout: Layout): Promise<void> {
  const folder = path.join(layout.folder, 'pki');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Without a configuration of ours openssl adds the system's extensions to those that we ask for.
  writeFileSync(path.join(folder, 'openssl.cnf'), '[req]\ndistinguished_name = name\n[name]\n');
  await Promise.all([authority(folder, 'ca'), authority(folder, 'front-proxy-ca')]);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(path.join(folder, 'service-accounts.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
    mode: 0o600,
  });
  writeFileSync(path.join(folder, 'service-accounts.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const apiNames = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${clusterDomain}`,
  ];
  const dns = (names: string[]) => names.map((name) => `DNS:${name}`);
  const addresses = [layout.nodeAddress, layout.apiServiceAddress, '127.0.0.1'].map((address) => `IP:${address}`);
  const node = [...dns([nodeName, 'localhost']), `IP:${layout.nodeAddress}`, 'IP:127.0.0.1'];
  await Promise.all([
    ...Object.entries(clients).map(([name, subject]) => certificate(folder, 'ca', name, subject, [])),
    certificate(folder, 'front-proxy-ca', 'front-proxy', { CN: 'front-proxy-client' }, []),
    certificate(folder, 'ca', 'serving', { CN: 'kube-apiserver' }, [...dns([...apiNames, 'localhost']), ...addresses]),
    certificate(folder, 'ca', 'kubelet-serving', { CN: nodeName }, node),
    certificate(folder, 'ca', 'metrics-serving', { CN: 'metrics-server' }, dns(['metrics-server.kube-system.svc'])),
  ]);
}

/** What every request has: a new key, and our configuration. */
const request = (folder: string, file: (ending: string) => string): string[] => [
  ...['req', '-x509', '-config', path.join(folder, 'openssl.cnf'), '-days', '3650'],
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', file('key'), '-out', file('crt')],
];

async function authority(folder: string, name: string): Promise<void> {
  const file = (ending: string) => path.join(folder, `${name}.${ending}`);
  const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,digitalSignature'];
  const args = ['-subj', `/CN=model-management ${name}`, ...extensions.flatMap((extension) => ['-addext', extension])];
  await run('openssl', [...request(folder, file), ...args]);
}

async function certificate(
  folder: string,
  signer: string,
  name: string,
  subject: { CN: string; O?: string },
  alternatives: string[],
): Promise<void> {
  const file = (ending: string) => path.join(folder, `${name}.${ending}`);
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    `extendedKeyUsage=${alternatives.length > 0 ? 'serverAuth' : 'clientAuth'}`,
    ...(alternatives.length > 0 ? [`subjectAltName=${alternatives.join(',')}`] : []),
  ];
  const words = `${subject.O ? `/O=${subject.O}` : ''}/CN=${subject.CN}`;
  const signing = ['-CA', path.join(folder, `${signer}.crt`), '-CAkey', path.join(folder, `${signer}.key`)];
  const args = ['-subj', words, ...signing, ...extensions.flatMap((extension) => ['-addext', extension])];
  await run('openssl', [...request(folder, file), ...args]);
}

/** A kubeconfig for a process of the node: it names the files, so that nobody else can read the key out of it. */
export function nodeKubeconfig(layout: Layout, client: Client): object {
  const file = (name: string) => `${nodeFolder}/pki/${name}`;
  return kubeconfig(
    layout,
    { 'certificate-authority': file('ca.crt') },
    { 'client-certificate': file(`${client}.crt`), 'client-key': file(`${client}.key`) },
  );
}

export function kubeconfig(layout: Layout, authorityData: object, user: object): object {
  const name = layout.name;
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: `https://${layout.nodeAddress}:${apiPort}`, ...authorityData } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
}
