import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import path from 'node:path';
import { apiPort, type Layout } from './layout.ts';

/** A kind of object, as the API server describes it. */
interface Kind {
  /** Path of its group and version. */
  at: string;
  plural: string;
  isNamespaced: boolean;
}

interface Discovery {
  items: {
    metadata: { name?: string };
    versions: {
      version: string;
      resources: {
        resource: string;
        singularResource: string;
        shortNames?: string[];
        scope: string;
        verbs: string[];
        subresources?: { subresource: string; verbs: string[] }[];
      }[];
    }[];
  }[];
}

/** What somebody may ask the API server for. */
export interface ResourceType {
  /** Empty for the core. */
  group: string;
  /** Such as `pods`. */
  resource: string;
  /** Such as `log`; empty for the resource itself. */
  subresource: string;
  isNamespaced: boolean;
  /** What the API server does with it. */
  verbs: string[];
}

/** Something that somebody may be allowed to do. */
export interface Action {
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  /** Empty for all namespaces. */
  namespace: string;
}

/**
 * Reads objects from the API server. Tests ask several times a second while they wait, and starting kubectl for that would
 * take from the pods what they wait for.
 */
export class ApiReader {
  readonly #host: string;
  readonly #agent: Agent;
  readonly #kinds = new Map<string, Kind>();

  /** With the rights of an administrator. */
  constructor({ folder, nodeAddress }: Layout) {
    const pki = (file: string) => readFileSync(path.join(folder, 'pki', file));
    this.#host = nodeAddress;
    this.#agent = new Agent({ keepAlive: true, ca: pki('ca.crt'), cert: pki('admin.crt'), key: pki('admin.key') });
  }

  /** One object, or undefined where there is none. Kinds are called as kubectl calls them: `pod`, `pods`, `po`. */
  async get(kind: string, name: string, namespace: string): Promise<object | undefined> {
    const { status, body } = await this.#ask(`${await this.#pathOf(kind, namespace)}/${name}`);
    if (status === 404) return undefined;
    return succeeded(status, body);
  }

  /** All objects of a kind, or those with the given labels. */
  async list(kind: string, namespace: string, selector = ''): Promise<object[]> {
    const query = new URLSearchParams({ labelSelector: selector });
    const { status, body } = await this.#ask(`${await this.#pathOf(kind, namespace)}?${query}`);
    return succeeded<{ items: object[] }>(status, body).items;
  }

  /** Every type of resource that the API server knows, in the version that it prefers. */
  async resourceTypes(): Promise<ResourceType[]> {
    const types = new Map<string, ResourceType>();
    for await (const { group, resources } of this.#groups()) {
      for (const { resource, scope, verbs, subresources = [] } of resources) {
        const isNamespaced = scope === 'Namespaced';
        for (const part of [{ subresource: '', verbs }, ...subresources]) {
          types.set(`${resource}.${group}/${part.subresource}`, { group, resource, isNamespaced, ...part });
        }
      }
    }
    return [...types.values()];
  }

  /** Whether the API server lets a service account do something (SubjectAccessReview). */
  async isAllowed(account: { namespace: string; name: string }, action: Action): Promise<boolean> {
    const groups = ['serviceaccounts', `serviceaccounts:${account.namespace}`, 'authenticated'];
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:${account.namespace}:${account.name}`,
        groups: groups.map((group) => `system:${group}`),
        resourceAttributes: action,
      },
    };
    const { status, body } = await this.#ask('/apis/authorization.k8s.io/v1/subjectaccessreviews', { review });
    return succeeded<{ status: { allowed: boolean } }>(status === 201 ? 200 : status, body).status.allowed;
  }

  async #pathOf(name: string, namespace: string): Promise<string> {
    // What is not known may have come since then, as custom resources do.
    if (!this.#kinds.has(name)) await this.#discover();
    const kind = this.#kinds.get(name);
    if (!kind) throw new Error(`${name}: the API server has no such kind of object`);
    const { at, plural, isNamespaced } = kind;
    return isNamespaced ? `${at}/namespaces/${namespace}/${plural}` : `${at}/${plural}`;
  }

  async #discover(): Promise<void> {
    for await (const { at, group, resources } of this.#groups()) {
      for (const { resource: plural, singularResource, shortNames = [], scope } of resources) {
        const kind = { at, plural, isNamespaced: scope === 'Namespaced' };
        this.#kinds.set(`${plural}.${group}`, kind);
        for (const name of [plural, singularResource, ...shortNames]) this.#know(name, kind);
      }
    }
  }

  /** Every version of every group; of one group the version that the API server prefers comes last. */
  async *#groups() {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    for (const root of ['/api', '/apis']) {
      const { status, body } = await this.#ask(root, { accept });
      for (const { metadata, versions } of succeeded<Discovery>(status, body).items) {
        const group = metadata.name ?? '';
        for (const { version, resources } of versions.toReversed()) {
          yield { at: group ? `${root}/${group}/${version}` : `${root}/${version}`, group, resources };
        }
      }
    }
  }

  /** Of two groups that have a name in common, kubectl takes the core or the first, too. */
  #know(name: string, kind: Kind): void {
    const known = this.#kinds.get(name);
    if (!known || groupOf(known) === groupOf(kind)) this.#kinds.set(name, kind);
  }

  #ask(
    target: string,
    { accept = 'application/json', review }: { accept?: string; review?: object } = {},
  ): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const where = { host: this.#host, port: apiPort, path: target, agent: this.#agent, timeout: 30_000 };
      const method = review ? 'POST' : 'GET';
      const headers = { accept, 'content-type': 'application/json' };
      const question = request({ ...where, method, headers }, async (response) => {
        try {
          let body = '';
          for await (const text of response.setEncoding('utf8')) body += text;
          resolve({ status: response.statusCode!, body });
        } catch (error) {
          reject(error);
        }
      });
      question.once('timeout', () => question.destroy(new Error(`${method} ${target}: no answer within 30 s`)));
      question.once('error', reject);
      question.end(review && JSON.stringify(review));
    });
  }
}

const groupOf = ({ at }: Kind) => at.slice(0, at.lastIndexOf('/'));

function succeeded<T = object>(status: number, body: string): T {
  if (status !== 200) throw new Error(`the API server answers ${status}: ${body.slice(0, 500)}`);
  return JSON.parse(body) as T;
}
