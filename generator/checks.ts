import { distinctWeights, type FleetServer, fleetOf } from './fleet.ts';
import { gpus } from './gpus.ts';
import { cacheTypeOf } from './memory/cache.ts';
import { changesThatFit } from './memory/changes.ts';
import { fits, gpuReserve, type Need, needOf } from './memory/fit.ts';
import { divides } from './memory/weights.ts';
import { GB, GiB, MiB, totalBytes } from './memory.ts';
import type { ModelDefinition } from './model.ts';
import type { Registry } from './registry.ts';
import { jointSchedule, scheduleMistakes } from './schedules.ts';

/** The name that clients know a model by beside its key: its own where it is built here, else the pulled one's. */
export function servedName(alias: string, definition: ModelDefinition): string {
  return definition.modelfile ? alias : definition.facts.name;
}

/**
 * Every mistake in a registry, each on one line: file, model, problem, fix. Empty when there is none.
 */
export function registryMistakes(registry: Registry): string[] {
  const ofModels = Object.entries(registry.models).map(
    ([alias, definition]) => [alias, modelMistakes(alias, definition)] as const,
  );
  // What is computed from a wrong figure is no help.
  const sound = new Set(ofModels.filter(([, mistakes]) => mistakes.length === 0).map(([alias]) => alias));
  return [
    ...ofModels.flatMap(([, mistakes]) => mistakes),
    ...nameMistakes(registry),
    ...fallbackMistakes(registry),
    ...canaryMistakes(registry),
    ...packMistakes(registry),
    ...fleetOf(registry)
      .filter(({ models }) => models.every(({ alias }) => sound.has(alias)))
      .flatMap(memoryMistakes),
  ];
}

const fileOf = (alias: string) => `generator/registry/${alias}.ts`;

/** `ollama-` and a key make the name of a server, which is a DNS label of at most 63 characters. */
const key = /^[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?$/;

function modelMistakes(alias: string, { facts, serving }: ModelDefinition): string[] {
  const mistakes: string[] = [];
  const say = (problem: string, fix: string) => mistakes.push(`${fileOf(alias)}: model '${alias}': ${problem}: ${fix}`);
  const { min, max } = serving.replicas;
  if (min > max) say(`replicas.min ${min} is above replicas.max ${max}`, `raise max to ${min} or lower min to ${max}`);
  if (serving.context > facts.trainedContext) {
    say(
      `context ${serving.context} is over the ${facts.trainedContext} tokens that ${facts.name} was trained on`,
      `lower context to ${facts.trainedContext}`,
    );
  }
  const whole: [string, number][] = [
    ['context', serving.context],
    ['parallel', serving.parallel],
    ['replicas.max', max],
    ['cpu', serving.cpu],
    ['memoryGB', serving.memoryGB],
    ['gpu.count', serving.gpu?.count ?? 1],
    ['layers', facts.layers],
    ['heads', facts.heads],
    ['kvHeads', facts.kvHeads],
    ['headDim', facts.headDim],
    ['embedding.width', facts.embedding.width],
    ['embedding.vocabulary', facts.embedding.vocabulary],
    ['feedForward', facts.feedForward],
    ['trainedContext', facts.trainedContext],
  ];
  for (const [name, value] of whole) {
    if (!Number.isInteger(value) || value < 1) say(`${name} is ${value}`, 'set a whole number of 1 or more');
  }
  if (!Number.isInteger(min) || min < 0) say(`replicas.min is ${min}`, 'set a whole number of 0 or more');
  const type = cacheTypeOf(serving);
  const widths = [facts.headDim, facts.valueHeadDim ?? facts.headDim].filter(Number.isInteger);
  if (!widths.every((width) => divides(type, width))) {
    say(`kvCacheType '${serving.kvCacheType}' cannot store heads of width ${facts.headDim}`, "leave it at 'f16'");
  }
  for (const [problem, fix] of scheduleMistakes(serving)) say(problem, fix);
  if (!(facts.sizeGB > 0)) say(`sizeGB is ${facts.sizeGB}`, 'set what the library page lists, in GB');
  if (!key.test(alias)) {
    say(
      'its file name cannot be a key',
      'name it by lower-case letters, digits and dashes, at most 56, such as `llama.ts`',
    );
  }
  return mistakes;
}

function nameMistakes({ models }: Registry): string[] {
  const owners = new Map<string, string>();
  const mistakes: string[] = [];
  for (const [alias, definition] of Object.entries(models)) {
    for (const name of [servedName(alias, definition), alias]) {
      const owner = owners.get(fullName(name));
      if (owner && owner !== alias) {
        mistakes.push(
          `${fileOf(alias)}: model '${alias}': is called '${name}' like the one of ${fileOf(owner)}: ` +
            'remove one of the two, or build one under a name of its own with `modelfile`',
        );
      } else owners.set(fullName(name), alias);
    }
  }
  // After all keys and names: it is the alias that has to give way.
  for (const [alias, { serving }] of Object.entries(models)) {
    for (const further of serving.aliases ?? []) {
      const owner = owners.get(fullName(further));
      if (owner && owner !== alias) {
        mistakes.push(
          `${fileOf(alias)}: model '${alias}': its alias '${further}' is a name of the one of ${fileOf(owner)} too: ` +
            'take another',
        );
      } else owners.set(fullName(further), alias);
    }
  }
  return mistakes;
}

/** The one spelling of a name, as Ollama reads it: or `a`, `a:latest` and `library/a` would pass for three models. */
function fullName(name: string): string {
  const parts = name.toLowerCase().split('/');
  const unsaid = ['registry.ollama.ai', 'library'].slice(0, Math.max(0, 3 - parts.length));
  return `${[...unsaid, ...parts].join('/')}${parts.at(-1)!.includes(':') ? '' : ':latest'}`;
}

function fallbackMistakes({ models }: Registry): string[] {
  return Object.entries(models).flatMap(([alias, { serving }]) =>
    (serving.fallbacks ?? []).flatMap((fallback) => {
      const say = (problem: string) => `${fileOf(alias)}: model '${alias}': fallback '${fallback}' ${problem}`;
      if (fallback === alias) return say('is the model itself: name another, or none');
      if (models[fallback]) return [];
      const others = Object.keys(models).filter((other) => other !== alias);
      return say(`does not exist: name one of ${others.join(', ')}, or add ${fileOf(fallback)}`);
    }),
  );
}

function canaryMistakes({ models, packs }: Registry): string[] {
  return Object.entries(models).flatMap(([alias, { serving }]) => {
    if (!serving.canary) return [];
    const { model } = serving.canary;
    const say = (problem: string) => `${fileOf(alias)}: model '${alias}': canary '${model}' ${problem}`;
    if (model === alias) return say('is the model itself: name its next version');
    if (!models[model]) return say(`does not exist: add ${fileOf(model)}, or take canary away`);
    if (models[model].serving.canary) return say(`has a canary itself: take that away in ${fileOf(model)}`);
    const shared = Object.entries(packs).find(([, packed]) => packed.includes(alias) && packed.includes(model));
    if (shared) return say(`is on the server '${shared[0]}' too: take it out of generator/packs.ts`);
    return [];
  });
}

function packMistakes({ models, packs }: Registry): string[] {
  const mistakes: string[] = [];
  const homes = new Map<string, string>();
  const say = (problem: string, fix: string) => mistakes.push(`generator/packs.ts: ${problem}: ${fix}`);
  for (const [server, aliases] of Object.entries(packs)) {
    if (aliases.length === 0) say(`server '${server}': has no model`, 'name one, or remove the server');
    for (const alias of aliases) {
      if (!models[alias]) {
        const known = Object.keys(models).join(', ');
        say(`server '${server}': model '${alias}' does not exist`, `name one of ${known}, or add ${fileOf(alias)}`);
      }
      const home = homes.get(alias);
      if (home) say(`model '${alias}': is on server '${home}' and on server '${server}'`, 'leave it on one of them');
      homes.set(alias, server);
    }
    const gpuTypes = new Set(aliases.map((alias) => models[alias]?.serving.gpu?.type ?? 'no GPU'));
    if (gpuTypes.size > 1) {
      say(`server '${server}': its models ask for ${[...gpuTypes].join(' and ')}`, 'pack models of one kind together');
    }
    if (!jointSchedule(aliases.map((alias) => models[alias]?.serving.schedule))) {
      say(`server '${server}': its models have schedules of different times`, 'give all of them the same windows');
    }
    const alone = models[server.replace(/^ollama-/, '')];
    if (alone && server.startsWith('ollama-') && !aliases.includes(server.slice('ollama-'.length))) {
      say(`server '${server}': has the name of a model's own server`, 'give the pack another name');
    }
  }
  return mistakes;
}

const inGiB = (bytes: number) => `${(bytes / GiB).toFixed(1)} GiB`;

/** A server has to hold each of its models loaded with all of its context in use. */
function memoryMistakes(server: FleetServer): string[] {
  const { context, parallel, kvCacheType, gpu, memoryGB } = server.serving;
  const models = distinctWeights(server.models.map(({ definition }) => definition)).map(({ facts }) => facts);
  const shape = { context, parallel, kvCacheType };
  const need = needOf(models, shape, gpu?.count ?? 0);
  const gpuBytes = gpu ? gpus[gpu.type].memoryMiB * MiB : 0;
  if (fits(need, { gpuBytes, gpuCount: gpu?.count ?? 0, hostBytes: memoryGB * GB })) return [];
  const where = server.models.map(({ alias }) => fileOf(alias)).join(', ');
  const who = server.models.map(({ alias }) => `'${alias}'`).join(', ');
  const changes = changesThatFit({ models, shape, memoryGB, ...(gpu && { gpu }) });
  const problem =
    need.gpu > gpuBytes
      ? `${gpu!.count} × ${gpu!.type} has ${inGiB(gpuBytes)} of memory${gpu!.count > 1 ? ' each' : ''}, ` +
        `${inGiB(need.gpu)} are needed (${partsOf(need, 'gpu', server)})`
      : `memoryGB ${memoryGB} is ${inGiB(memoryGB * GB)}, ${inGiB(need.host)} are needed (${partsOf(need, 'host', server)})`;
  const fix = changes.join(', or ') || 'take a smaller model: no single change makes it fit';
  return [`${where}: model ${who}: ${problem}: ${fix}`];
}

/** What a need is made of, on the GPU that takes most or on the host. */
function partsOf({ estimates }: Need, on: 'gpu' | 'host', { serving }: FleetServer): string {
  const parts = estimates.map(({ gpus, host }) =>
    on === 'host' ? host : gpus.reduce((most, part) => (totalBytes(part) > totalBytes(most) ? part : most)),
  );
  const sum = (kind: 'weights' | 'cache' | 'compute' | 'runtime') =>
    parts.reduce((total, part) => total + part[kind], 0);
  return (
    `weights ${inGiB(sum('weights'))}, context ${inGiB(sum('cache'))} (${serving.context} tokens × ${serving.parallel}), ` +
    `buffers ${inGiB(sum('compute'))}, runtime ${inGiB(sum('runtime'))}${on === 'gpu' ? `, to stay free ${inGiB(gpuReserve)}` : ''}`
  );
}
