import path from 'node:path';
import { stateDir } from '../tools/paths.ts';

/** Where everything of one cluster is: worked out from its name and its number alone. */
export interface Layout {
  /** Such as `local`, or `test-4711`. */
  name: string;
  /** The folder that holds all it writes, as the host sees it. */
  folder: string;
  /** Network interface on the host: the only way in. */
  interface: string;
  hostAddress: string;
  nodeAddress: string;
  podCidr: string;
  serviceCidr: string;
  /** First address of the service range: the API server's own Service. */
  apiServiceAddress: string;
  dnsAddress: string;
}

/** How many clusters fit beside each other on one machine. */
export const maxClusters = 64;

/** The folder as the node sees it: short, since a socket's path has to fit into 108 bytes. */
export const nodeFolder = '/run/node';
export const nodeName = 'node-1';
export const clusterDomain = 'cluster.local';

/** The model registry: this name in pods and in image references, plain HTTP. */
export const registryHost = 'registry.internal';
export const registryPort = 5000;
export const registry = `${registryHost}:${registryPort}`;
/** Where the registry's blobs are served from: the node's address, not the name above (see registry.ts). */
export const blobsPort = 5001;
export const apiPort = 6443;

export function folderOf(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new Error(`${name}: not a name for a cluster: use up to 32 of a-z, 0-9 and -`);
  }
  return path.join(stateDir(), name);
}

export function layout(name: string, number: number): Layout {
  // Of 10.245–10.247: 256 node addresses, 1024 pods and 1024 services for each cluster.
  const [third, pods] = [number, number * 4];
  return {
    name,
    folder: folderOf(name),
    interface: `mm-node-${number}`,
    hostAddress: `10.245.${third}.1`,
    nodeAddress: `10.245.${third}.2`,
    podCidr: `10.246.${pods}.0/22`,
    serviceCidr: `10.247.${pods}.0/22`,
    apiServiceAddress: `10.247.${pods}.1`,
    dnsAddress: `10.247.${pods}.10`,
  };
}
