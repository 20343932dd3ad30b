import type { Logger } from '../shared/logging.ts';
import { canonicalName, namespaceOf } from '../shared/names.ts';
import type { Upstreams } from '../shared/upstream.ts';
import type { Routing, Target } from './routing.ts';

/** An entry of Ollama's /api/tags; only what is read here is named. */
export interface Tag {
  name: string;
  model: string;
  modified_at: string;
  [more: string]: unknown;
}

/** How long an agent may take to say what it has, in ms. One that takes longer counts as away. */
const patienceMs = 2000;

/** How long an agent's word is taken for true, in ms: clients that poll cost the agents nothing. */
const freshMs = 2000;

/** What all servers have together, as their agents tell it. One that is away changes nothing but the details. */
export class Catalog {
  readonly #upstreams: Upstreams;
  readonly #routing: () => Routing;
  readonly #log: Logger;
  readonly #recent = new Map<string, { at: number; answer: Promise<unknown> }>();
  /** Details by canonical name, kept for when their server is away. */
  readonly #known = new Map<string, Tag>();
  #lastVersion: string | undefined;

  constructor(upstreams: Upstreams, routing: () => Routing, log: Logger) {
    this.#upstreams = upstreams;
    this.#routing = routing;
    this.#log = log;
  }

  /** Every configured model as /api/tags lists it. */
  async tags(): Promise<Tag[]> {
    const { targets } = this.#routing();
    const answers = await this.#askAll<{ models?: Tag[] }>('/api/tags');
    for (const tag of answers.flatMap(({ models }) => models ?? [])) this.#known.set(canonicalName(tag.name), tag);
    return targets.map((target) => this.#known.get(canonicalName(target.name)) ?? withoutDetails(target));
  }

  /** Every configured model as /v1/models lists it. */
  async models(): Promise<object[]> {
    return (await this.tags()).map((tag) => this.#model(tag, tag.name));
  }

  /** One model as /v1/models/ID shows it, under the name that the client gave it. */
  async model(target: Target, given: string): Promise<object> {
    const tag = (await this.tags()).find(({ name }) => canonicalName(name) === canonicalName(target.name));
    return this.#model(tag ?? withoutDetails(target), given);
  }

  /** The lowest version of the servers' Ollamas, since clients take from it what they may use; undefined before any is known. */
  async version(): Promise<string | undefined> {
    const answers = await this.#askAll<{ version?: string }>('/api/version');
    const versions = answers.flatMap(({ version }) => version ?? []);
    this.#lastVersion =
      versions.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0] ?? this.#lastVersion;
    return this.#lastVersion;
  }

  #model(tag: Tag, id: string): object {
    const created = Math.max(0, Math.floor(Date.parse(tag.modified_at) / 1000)) || 0;
    return { id, object: 'model', created, owned_by: namespaceOf(tag.name) };
  }

  /** The answers of all servers that give one. */
  async #askAll<T>(path: string): Promise<T[]> {
    const urls = new Set(this.#routing().targets.map(({ url }) => url));
    const answers = await Promise.all([...urls].map((url) => this.#ask(url, path)));
    return answers.filter((answer) => answer !== undefined) as T[];
  }

  #ask(url: string, path: string): Promise<unknown> {
    const place = url + path;
    const recent = this.#recent.get(place);
    if (recent && Date.now() - recent.at < freshMs) return recent.answer;
    const answer = this.#fetch(url, path).catch((error: Error) => {
      this.#log.debug({ url, path, cause: error.message }, 'an agent is away');
      return undefined;
    });
    this.#recent.set(place, { at: Date.now(), answer });
    return answer;
  }

  async #fetch(origin: string, path: string): Promise<unknown> {
    const signal = AbortSignal.timeout(patienceMs);
    const { statusCode, body } = await this.#upstreams.pool(origin).request({ method: 'GET', path, signal });
    if (statusCode === 200) return body.json();
    await body.dump();
    throw new Error(`status ${statusCode}`);
  }
}

/**
 * A model of which no more is known than its name. The zeros are those of Go's decoder, and the digest has its length:
 * `ollama list` cuts twelve characters from it and would crash on less.
 */
function withoutDetails({ name }: Target): Tag {
  const tagged = name.lastIndexOf(':') > name.lastIndexOf('/') ? name : `${name}:latest`;
  const details = {
    parent_model: '',
    format: '',
    family: '',
    families: [],
    parameter_size: '',
    quantization_level: '',
  };
  const [modified_at, digest] = ['0001-01-01T00:00:00Z', '0'.repeat(64)];
  return { name: tagged, model: tagged, modified_at, size: 0, digest, details };
}
