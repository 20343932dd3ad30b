import path from 'node:path';

/** Where Kubernetes puts what a pod needs to talk to the API server. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server, and how to be let in. */
export interface ApiServer {
  url: string;
  /** Read anew for each request: Kubernetes renews the token every hour. */
  tokenFile: string;
  /** Read anew for each connection; left out for http. */
  caFile?: string;
}

/** That of the cluster that this process runs in. Throws where it runs in none. */
export function ownApiServer(): ApiServer {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (!host || !port) {
    throw new Error('namespace: this process is in no cluster: leave it empty, and list the replicas of each server');
  }
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tokenFile: path.join(accountFolder, 'token'),
    caFile: path.join(accountFolder, 'ca.crt'),
  };
}
