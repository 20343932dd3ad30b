import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { endByPid, withPid } from './monitoring.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'traefik';
const pingPort = 18_090;
/** The ports of Gateways and Ingresses, which it has to listen at itself. */
const ports = { http: 80, https: 443 };
const className = 'traefik';

const classes = [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: className },
    spec: { controllerName: 'traefik.io/gateway-controller' },
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: className },
    spec: { controller: 'k8s.io/ingress-nginx' },
  },
];

/** Traefik, which serves what there is of its classes at an address of the node. */
export interface Traefik extends AsyncDisposable {
  /** Of its GatewayClass, and of its IngressClass, whose Ingresses it reads with the annotations of ingress-nginx. */
  className: string;
  address: string;
  ports: typeof ports;
}

/** Starts Traefik; it ends with what is given back. The CRDs of the Gateway API have to be there (ci/testing/crds.ts). */
export async function startTraefik(cluster: Cluster): Promise<Traefik> {
  const { node, kubectl } = cluster;
  const { layout } = node;
  const address = layout.nodeAddress;
  const binary = await tool(name);
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: classes });
  await using stack = new AsyncDisposableStack();
  await kubectl(['apply', '--server-side', '-f', '-'], { input });
  stack.defer(async () => void (await kubectl(['delete', '--ignore-not-found', '-f', '-'], { input })));
  const args = [
    `--entrypoints.web.address=${address}:${ports.http}`,
    `--entrypoints.websecure.address=${address}:${ports.https}`,
    `--entrypoints.traefik.address=${address}:${pingPort}`,
    '--entrypoints.websecure.http.tls=true',
    '--ping=true',
    '--global.checknewversion=false',
    '--global.sendanonymoususage=false',
    '--providers.kubernetesgateway=true',
    `--providers.kubernetesgateway.statusaddress.ip=${address}`,
    '--providers.kubernetesingressnginx=true',
    `--providers.kubernetesingressnginx.ingressclass=${className}`,
    `--providers.kubernetesingressnginx.publishstatusaddress=${address}`,
  ];
  mkdirSync(path.join(layout.folder, 'monitoring'), { recursive: true });
  const component = startInNode(node, name, withPid(name, [binary, ...args]), { KUBECONFIG: inNode('kubeconfig') });
  stack.defer(async () => void (await runInNode(node, endByPid(name))));
  const up = await until(60_000, 250, async () => {
    if (component.failure()) throw new Error(component.failure());
    return fetch(`http://${address}:${pingPort}/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  if (!up) throw new Error(`traefik: not ready after a minute: ${logOf(layout, name)}`);
  const owned = stack.move();
  return { className, address, ports, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
