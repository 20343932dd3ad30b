import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKey, ApiKeys } from '../../schema/config.ts';
import type { Priority } from '../../schema/types.ts';
import { ConfigFile } from '../shared/config.ts';
import { Refusal } from '../shared/errors.ts';
import type { Logger } from '../shared/logging.ts';
import { type Clock, Limits, systemClock } from './limits.ts';

/** The header in which a client says how urgent a request is. */
export const priorityHeader = 'x-model-management-priority';

/** Priorities, the highest first. */
const priorities: readonly Priority[] = ['interactive', 'standard', 'batch'];

/** Who sends a request, and what he may ask. */
export interface Caller {
  /** Name of the key's holder, for logs and metrics; `anonymous` where no keys are asked for. */
  readonly name: string;
  /** Whether a model, by its key, may be asked. Listings show no other. */
  mayAsk(model: string): boolean;
  /** Throws a Refusal for a model that may not be asked. */
  checkModel(model: string): void;
  /**
   * The priority of a request that names one in its header, or none. The key's own is the highest there is: a client that
   * asks for more gets that and no error, so that one setting does for every key. Throws a Refusal for a word that is none.
   */
  priority(requested: string | undefined): Priority;
  /** Counts a request in; throws a Refusal with the time of the next one where a limit is reached. */
  admit(): void;
  /** Counts the tokens of an answer, read and written. */
  spent(tokens: number): void;
}

/** The caller where no keys are asked for: everybody. */
const anonymous: Caller = {
  name: 'anonymous',
  mayAsk: () => true,
  checkModel: () => {},
  priority: (requested) => (requested === undefined ? 'standard' : parsePriority(requested)),
  admit: () => {},
  spent: () => {},
};

/**
 * The API keys of a gateway. Of a key only its SHA-256 is known; a key of 256 random bits needs no slower hash. The index
 * is blinded with a secret of the process, so that the time of a lookup says nothing about the hashes in it, and the hash
 * that is found is compared in constant time.
 */
export class KeyRing {
  readonly #clock: Clock;
  readonly #secret = randomBytes(32);
  readonly #file: ConfigFile<'ApiKeys'> | undefined;
  #holders = new Map<string, Holder>();
  #byHash = new Map<string, { digest: Buffer; holder: Holder }>();

  /**
   * `file` has the keys (ApiKeys) and is read again when it changes; with an empty one no keys are asked for. Throws
   * ConfigError when it can't be used.
   */
  constructor(file: string, log: Logger, { clock = systemClock, intervalMs = 1000 } = {}) {
    this.#clock = clock;
    if (file === '') {
      log.warn('no API keys are asked for: whoever reaches this gateway may ask its models');
      return;
    }
    this.#file = new ConfigFile(file, 'ApiKeys', checkApiKeys);
    this.#configure(this.#file.current);
    this.#file.watch(log, (keys) => this.#configure(keys), intervalMs);
  }

  /** Whether a key is asked for. */
  get isOn(): boolean {
    return this.#file !== undefined;
  }

  /** Who sends a request with these headers; throws a Refusal when that is nobody. */
  identify(headers: IncomingHttpHeaders): Caller {
    if (!this.isOn) return anonymous;
    const digest = hash('sha256', Buffer.from(keyIn(headers), 'latin1'), 'buffer');
    const found = this.#byHash.get(this.#blind(digest));
    // A key that nobody has costs the same as one that somebody has.
    const isSame = timingSafeEqual(digest, found?.digest ?? this.#secret);
    if (!found || !isSame) throw unauthorized('the API key is not valid: ask whoever runs this gateway for another');
    return found.holder;
  }

  /** Ends watching the file. */
  close(): void {
    this.#file?.close();
  }

  /** What a holder has used counts on, also when the key itself was replaced by another. */
  #configure({ keys }: ApiKeys): void {
    const holders = new Map<string, Holder>();
    const byHash = new Map<string, { digest: Buffer; holder: Holder }>();
    for (const key of keys) {
      const holder = this.#holders.get(key.name) ?? new Holder(key.name, this.#clock);
      holder.configure(key);
      holders.set(key.name, holder);
      const digest = Buffer.from(key.sha256, 'hex');
      byHash.set(this.#blind(digest), { digest, holder });
    }
    this.#holders = holders;
    this.#byHash = byHash;
  }

  #blind(digest: Buffer): string {
    return hash('sha256', Buffer.concat([this.#secret, digest]), 'base64');
  }
}

/** The caller that has a key. */
class Holder implements Caller {
  readonly name: string;
  readonly #limits: Limits;
  #models: Set<string> | undefined;
  #highest: Priority = 'standard';

  constructor(name: string, clock: Clock) {
    this.name = name;
    this.#limits = new Limits(clock);
  }

  configure(key: ApiKey): void {
    this.#models = key.models && new Set(key.models);
    this.#highest = key.priority ?? 'standard';
    this.#limits.configure(key);
  }

  mayAsk(model: string): boolean {
    return this.#models?.has(model) ?? true;
  }

  checkModel(model: string): void {
    if (this.mayAsk(model)) return;
    throw new Refusal(403, `this API key may not ask model '${model}'`, { param: 'model', code: 'model_not_allowed' });
  }

  priority(requested: string | undefined): Priority {
    if (requested === undefined) return this.#highest;
    const asked = parsePriority(requested);
    return priorities.indexOf(asked) < priorities.indexOf(this.#highest) ? this.#highest : asked;
  }

  admit(): void {
    this.#limits.admit();
  }

  spent(tokens: number): void {
    this.#limits.spent(tokens);
  }
}

/** What the schema can't say about keys. */
export function checkApiKeys({ keys }: ApiKeys): string[] {
  const problems: string[] = [];
  const [names, hashes] = [new Map<string, number>(), new Map<string, number>()];
  keys.forEach(({ name, sha256 }, at) => {
    const [sameName, sameHash] = [names.get(name), hashes.get(sha256)];
    if (sameName !== undefined) {
      problems.push(`keys.${at}.name: ${name} is the name of keys.${sameName} too: give each its own`);
    }
    if (sameHash !== undefined) {
      problems.push(`keys.${at}.sha256: it is the key of keys.${sameHash} too: make another (npm run api-key)`);
    }
    names.set(name, at);
    hashes.set(sha256, at);
  });
  return problems;
}

const unauthorized = (message: string) => new Refusal(401, message, { code: 'invalid_api_key' });

/** The key that a request brings, unchecked. */
function keyIn(headers: IncomingHttpHeaders): string {
  const { authorization, 'x-api-key': own } = headers;
  const bearer = authorization && /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (authorization && !bearer) {
    throw unauthorized('the header Authorization has no API key: write it as `Authorization: Bearer KEY`');
  }
  const key = bearer || own;
  if (typeof key !== 'string' || key === '') {
    throw unauthorized('an API key is required: send it as `Authorization: Bearer KEY` or as `x-api-key: KEY`');
  }
  if (bearer && own && bearer !== own) {
    throw unauthorized('the headers Authorization and x-api-key have different API keys: send one of them');
  }
  return key;
}

function parsePriority(word: string): Priority {
  const priority = priorities.find((known) => known === word.trim().toLowerCase());
  if (priority) return priority;
  throw new Refusal(400, `${priorityHeader} must be one of ${priorities.join(', ')}`, { param: priorityHeader });
}
