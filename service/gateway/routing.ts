import type { GatewayConfig, GatewayModel } from '../../schema/config.ts';
import { ModelNames } from '../shared/model-names.ts';
import { canonicalName } from '../shared/names.ts';
import { hash32, mix } from './affinity.ts';
import { isTimeZone } from './schedule.ts';

/** A model and where it is served. */
export interface Target {
  /** Key of the model. */
  key: string;
  /** Name under which Ollama serves it. */
  name: string;
  /** Name of the server that has it. */
  server: string;
  /** Where the server answers as a whole. */
  url: string;
  /** What else the configuration says of it. */
  model: GatewayModel;
}

/** Which model a name means. Made anew from each configuration. */
export class Routing extends ModelNames<Target> {
  readonly targets: Target[];

  constructor({ models, servers }: GatewayConfig) {
    const targets = Object.entries(models).map(([key, model]) => {
      const { name, server } = model;
      return { key, name, server, url: servers[server]!.url, model };
    });
    super(targets, ({ model }) => model.aliases);
    this.targets = targets;
  }

  /**
   * The version on trial, where it is to answer: always for the same conversations (see affinity.ts), of which a higher percentage only
   * adds more; and for requests that belong to none by chance.
   */
  canaryOf({ key, model }: Target, affinity: number | undefined, random = Math.random): Target | undefined {
    if (!model.canary) return undefined;
    const part = affinity === undefined ? random() : mix(affinity ^ hash32(`canary of ${key}`)) / 2 ** 32;
    return part * 100 < model.canary.percent ? this.withKey(model.canary.model) : undefined;
  }

  /** The models that may answer in place of another, the first of them first. Those of these are not among them. */
  fallbacksOf({ model }: Target): Target[] {
    return model.fallbacks.map((key) => this.withKey(key)!);
  }
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
  for (const [server, { schedule }] of Object.entries(servers)) {
    if (!schedule || isTimeZone(schedule.timeZone)) continue;
    problems.push(
      `servers.${server}.schedule.timeZone: there is no time zone ${schedule.timeZone}: name one as Europe/Berlin`,
    );
  }
  return [...problems, ...checkAliases(models), ...checkFallbacks(models), ...checkCanaries(models)];
}

/** A model may have its own key among its aliases, which lists it under that name too. */
function checkAliases(models: GatewayConfig['models']): string[] {
  const problems: string[] = [];
  const keys = new Map(Object.keys(models).map((key) => [canonicalName(key), key]));
  const names = new Map(Object.entries(models).map(([key, { name }]) => [canonicalName(name), key]));
  const aliases = new Map<string, string>();
  for (const [key, model] of Object.entries(models)) {
    for (const alias of model.aliases) {
      const name = canonicalName(alias);
      const say = (what: string, owner: string | undefined) => {
        if (owner === undefined || owner === key) return false;
        problems.push(`models.${key}.aliases: ${alias} is ${what} of models.${owner}: take another`);
        return true;
      };
      say('the key', keys.get(name)) || say('the name', names.get(name)) || say('an alias', aliases.get(name));
      aliases.set(name, key);
    }
  }
  return problems;
}

function checkFallbacks(models: GatewayConfig['models']): string[] {
  return Object.entries(models).flatMap(([key, { fallbacks }]) =>
    fallbacks.flatMap((fallback) => {
      if (fallback === key) return `models.${key}.fallbacks: ${fallback} is the model itself: name another, or none`;
      if (Object.hasOwn(models, fallback)) return [];
      return `models.${key}.fallbacks: there is no model ${fallback}: name the key of one`;
    }),
  );
}

function checkCanaries(models: GatewayConfig['models']): string[] {
  return Object.entries(models).flatMap(([key, { canary }]) => {
    if (!canary) return [];
    const say = (problem: string) => `models.${key}.canary.model: ${problem}`;
    if (canary.model === key) return say(`${key} is the model itself: name its next version`);
    if (!Object.hasOwn(models, canary.model)) return say(`there is no model ${canary.model}: name the key of one`);
    if (models[canary.model]!.canary) return say(`${canary.model} has a canary itself: take that away`);
    return [];
  });
}
