import type { GatewayConfig } from '../../schema/config.ts';
import { canonicalName } from '../shared/names.ts';

/** A model and where it is served. */
export interface Target {
  /** Key of the model. */
  key: string;
  /** Name under which Ollama serves it. */
  name: string;
  /** Name of the server that has it. */
  server: string;
  /** Where the server's agents answer. */
  url: string;
}

/** Which model a name means. Made anew from each configuration. */
export class Routing {
  readonly targets: Target[];
  readonly #byKey: Map<string, Target>;
  readonly #byName: Map<string, Target>;
  readonly #byKeyAsName: Map<string, Target>;

  constructor({ models, servers }: GatewayConfig) {
    this.targets = Object.entries(models).map(([key, { name, server }]) => ({
      key,
      name,
      server,
      url: servers[server]!.url,
    }));
    const index = (keyOf: (target: Target) => string) => new Map(this.targets.map((target) => [keyOf(target), target]));
    this.#byKey = index(({ key }) => key);
    this.#byName = index(({ name }) => canonicalName(name));
    this.#byKeyAsName = index(({ key }) => canonicalName(key));
  }

  /** The model that a client means by its key, or by a name that Ollama would take for it. */
  resolve(given: string): Target | undefined {
    const name = canonicalName(given);
    return this.#byKey.get(given) ?? this.#byName.get(name) ?? this.#byKeyAsName.get(name);
  }
}

/** Whether Ollama itself would take what the client wrote for the model. */
export function isOllamaName(target: Target, given: string): boolean {
  return canonicalName(given) === canonicalName(target.name);
}

/** What the schema can't say about a gateway's configuration. */
export function checkGatewayConfig({ models, servers }: GatewayConfig): string[] {
  const problems: string[] = [];
  const owners = new Map<string, string>();
  for (const [key, { name, server }] of Object.entries(models)) {
    if (!Object.hasOwn(servers, server)) {
      problems.push(
        `models.${key}.server: there is no server ${server}: name one of ${Object.keys(servers).join(', ') || 'servers'}`,
      );
    }
    const owner = owners.get(canonicalName(name));
    if (owner) problems.push(`models.${key}.name: ${name} is the name of models.${owner} too: give each its own`);
    owners.set(canonicalName(name), key);
  }
  return problems;
}
