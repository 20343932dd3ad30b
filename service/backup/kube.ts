import { type ApiServer, asAccount, connectTo, ownApiServer } from '../shared/api-server.ts';
import type { Client } from '../shared/undici.ts';

const patienceMs = 30_000;

/** An object of Kubernetes. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: { name: string; [more: string]: unknown };
  [more: string]: unknown;
}

/** The API server of this cluster, for a few requests. */
export class Kube implements AsyncDisposable {
  readonly #api: ApiServer;
  readonly #client: Client;

  /** Throws where there is no API server to ask. */
  constructor(api: ApiServer = ownApiServer()) {
    this.#api = api;
    this.#client = connectTo(api, patienceMs);
  }

  /**
   * The objects of a resource, such as `/apis/apps/v1/namespaces/NS/deployments`, by a label selector; none where the API server does
   * not know it.
   */
  async list(path: string, labelSelector: string): Promise<KubeObject[]> {
    const answer = await this.#request('GET', path, { labelSelector });
    if (!answer) return [];
    const { apiVersion, kind, items } = answer;
    const each = { apiVersion: apiVersion!, kind: kind!.replace(/List$/, '') };
    return (items as KubeObject[]).map((item) => ({ ...each, ...item }));
  }

  /** Changes an object by a merge patch. */
  async patch(path: string, change: object): Promise<void> {
    if (!(await this.#request('PATCH', path, {}, change))) throw new Error(`${path}: not there`);
  }

  /** Gives nothing where there is no such path. */
  async #request(
    method: 'GET' | 'PATCH',
    path: string,
    query: Record<string, string>,
    body?: object,
  ): Promise<KubeObject | undefined> {
    const { statusCode, body: answer } = await this.#client.request({
      method,
      path,
      query,
      headers: {
        ...(await asAccount(this.#api)),
        ...(body && { 'content-type': 'application/merge-patch+json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (statusCode === 404) return undefined;
    if (statusCode === 200) return JSON.parse(text) as KubeObject;
    throw new Error(`${path}: the API server says ${statusCode}: ${text.slice(0, 300)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}
