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

/** An entry of Ollama's /api/ps, likewise. */
export interface Resident {
  name: string;
  size: number;
  expires_at: string;
  [more: string]: unknown;
}

/** Whether a client may ask for a model, by its key. */
export type MayAsk = (key: string) => boolean;

/** How long an agent may take to say what it has, in ms. One that takes longer counts as away. */
const patienceMs = 1000;

/** How long one agent of a server after the other is asked, in ms. */
const searchMs = 2000;

/** How long an agent's word is taken for true, in ms: clients that poll cost the agents nothing. */
const freshMs = 2000;

/** What all servers have together, as their agents tell it. One that is away changes nothing but the details. */
export class Catalog {
  readonly #upstreams: Upstreams;
  readonly #routing: () => Routing;
  readonly #urls: (server: string) => string[];
  readonly #log: Logger;
  readonly #recent = new Map<string, { at: number; answer: Promise<unknown> }>();
  /** Details by canonical name, kept for when their server is away. */
  readonly #known = new Map<string, Tag>();
  #lastVersion: string | undefined;

  /** `urls` are those of the replicas of a server, as far as they are known. */
  constructor(upstreams: Upstreams, routing: () => Routing, urls: (server: string) => string[], log: Logger) {
    this.#upstreams = upstreams;
    this.#routing = routing;
    this.#urls = urls;
    this.#log = log;
  }

  /** Every model that a client may ask, as /api/tags lists it: under its name, and under each alias as `ollama cp` makes one. */
  async tags(mayAsk: MayAsk): Promise<Tag[]> {
    const listed = await this.#list(mayAsk);
    return listed.flatMap(({ tag, target }) => {
      const aliases = target.model.aliases.map(tagged);
      return [tag, ...aliases.map((name) => ({ ...tag, name, model: name }))];
    });
  }

  /** Every model that a client may ask, as /v1/models lists it: under its name, and under each alias. */
  async models(mayAsk: MayAsk): Promise<object[]> {
    const listed = await this.#list(mayAsk);
    return listed.flatMap(({ tag, target }) =>
      // An alias as it is configured: clients look for what they were told to ask for.
      [tag.name, ...target.model.aliases].map((id) => shown(tag, id)),
    );
  }

  /** One model as /v1/models/ID shows it, under the name that the client gave it. */
  async model({ key }: Target, given: string): Promise<object> {
    const [found] = await this.#list((other) => other === key);
    return shown(found!.tag, given);
  }

  /**
   * The models that are loaded somewhere, as /api/ps lists them: one entry for each, with the largest size that a replica
   * gives it and the latest time at which one will unload it.
   */
  async resident(mayAsk: MayAsk): Promise<Resident[]> {
    const { targets } = this.#routing();
    const answers = await this.#askAll<{ models?: Resident[] }>('/api/ps');
    const byName = Map.groupBy(
      answers.flatMap(({ models }) => models ?? []),
      ({ name }) => canonicalName(name),
    );
    return targets
      .filter(({ key }) => mayAsk(key))
      .flatMap(({ name }) => {
        const entries = byName.get(canonicalName(name));
        if (!entries) return [];
        const largest = entries.reduce((a, b) => (b.size > a.size ? b : a));
        return { ...largest, expires_at: entries.map(({ expires_at }) => expires_at).reduce(later) };
      })
      .toSorted((a, b) => Date.parse(b.expires_at) - Date.parse(a.expires_at));
  }

  /** The lowest version of the servers' Ollamas, since clients take from it what they may use; undefined before any is known. */
  async version(): Promise<string | undefined> {
    const answers = await this.#askEach<{ version?: string }>('/api/version');
    const versions = answers.flatMap(({ version }) => version ?? []);
    this.#lastVersion =
      versions.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0] ?? this.#lastVersion;
    return this.#lastVersion;
  }

  async #list(mayAsk: MayAsk): Promise<{ target: Target; tag: Tag }[]> {
    const { targets } = this.#routing();
    const answers = await this.#askEach<{ models?: Tag[] }>('/api/tags');
    for (const tag of answers.flatMap(({ models }) => models ?? [])) this.#known.set(canonicalName(tag.name), tag);
    return targets
      .filter(({ key }) => mayAsk(key))
      .map((target) => ({ target, tag: this.#known.get(canonicalName(target.name)) ?? withoutDetails(target) }));
  }

  get #servers(): string[] {
    return [...new Set(this.#routing().targets.map(({ server }) => server))];
  }

  /** The answers of all replicas of all servers that give one. */
  async #askAll<T>(path: string): Promise<T[]> {
    this.#forget();
    const urls = new Set(this.#servers.flatMap((server) => this.#urls(server)));
    return present(await Promise.all([...urls].map((url) => this.#ask<T>(url, path))));
  }

  /** The answers of one replica of each server, the first that gives one. */
  async #askEach<T>(path: string): Promise<T[]> {
    this.#forget();
    return present(await Promise.all(this.#servers.map((server) => this.#askFirst<T>(this.#urls(server), path))));
  }

  async #askFirst<T>(urls: string[], path: string): Promise<T | undefined> {
    const deadline = Date.now() + searchMs;
    for (const url of urls) {
      if (Date.now() >= deadline) return undefined;
      const answer = await this.#ask<T>(url, path);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  #ask<T>(url: string, path: string): Promise<T | undefined> {
    const place = url + path;
    const recent = this.#recent.get(place);
    if (recent && isFresh(recent)) return recent.answer as Promise<T | undefined>;
    const answer = this.#fetch(url, path).catch((error: Error) => {
      this.#log.debug({ url, path, cause: error.message }, 'an agent is away');
      return undefined;
    });
    this.#recent.set(place, { at: Date.now(), answer });
    return answer as Promise<T | undefined>;
  }

  /** Replicas come and go under new addresses: what they said is not kept for longer than it is good for. */
  #forget(): void {
    for (const [place, recent] of this.#recent) if (!isFresh(recent)) this.#recent.delete(place);
  }

  async #fetch(origin: string, path: string): Promise<unknown> {
    const signal = AbortSignal.timeout(patienceMs);
    const { statusCode, body } = await this.#upstreams.pool(origin).request({ method: 'GET', path, signal });
    if (statusCode === 200) return body.json();
    await body.dump();
    throw new Error(`status ${statusCode}`);
  }
}

const isFresh = ({ at }: { at: number }) => Date.now() - at < freshMs;
const present = <T>(answers: (T | undefined)[]) => answers.filter((answer) => answer !== undefined);
const later = (a: string, b: string) => (Date.parse(b) > Date.parse(a) ? b : a);

/** A model as the OpenAI dialect of Ollama shows it. */
function shown(tag: Tag, id: string): object {
  const created = Math.max(0, Math.floor(Date.parse(tag.modified_at) / 1000)) || 0;
  return { id, object: 'model', created, owned_by: namespaceOf(tag.name) };
}

/** A name as Ollama lists it. */
const tagged = (name: string) => (name.lastIndexOf(':') > name.lastIndexOf('/') ? name : `${name}:latest`);

/**
 * A model of which no more is known than its name. The zeros are those of Go's decoder, and the digest has its length:
 * `ollama list` cuts twelve characters from it and would crash on less.
 */
function withoutDetails(target: Target): Tag {
  const name = tagged(target.name);
  const details = {
    parent_model: '',
    format: '',
    family: '',
    families: [],
    parameter_size: '',
    quantization_level: '',
  };
  const [modified_at, digest] = ['0001-01-01T00:00:00Z', '0'.repeat(64)];
  return { name, model: name, modified_at, size: 0, digest, details };
}
