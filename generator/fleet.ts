import type { Server } from '../schema/values.ts';
import { GB, loadedBytes } from './memory.ts';
import type { ModelDefinition, Serving } from './model.ts';
import type { Registry } from './registry.ts';
import { jointSchedule } from './schedules.ts';

/** A server and the models on it, in the order of their keys. */
export interface FleetServer {
  name: string;
  purpose: string;
  models: { alias: string; definition: ModelDefinition }[];
  serving: FleetServing;
}

/** What each model of a server has for itself. */
type OfModel =
  | 'priority'
  | 'aliases'
  | 'fallbacks'
  | 'canary'
  | 'keepAlive'
  | 'runnerOptions'
  | 'queue'
  | 'alerts'
  | 'objectives';

/** What holds for the server as a whole: its one model's choices, or what a pack of models comes to. */
export type FleetServing = Omit<Serving, OfModel> & { kvCacheType: Server['ollama']['kvCacheType'] };

/** The servers that a registry comes to, by name. Models that no file defines are left to the checks to name. */
export function fleetOf(registry: Registry): FleetServer[] {
  const packed = new Set(Object.values(registry.packs).flat());
  const servers: FleetServer[] = [];
  for (const [alias, definition] of Object.entries(registry.models)) {
    if (packed.has(alias)) continue;
    servers.push(server(`ollama-${alias}`, definition.purpose, [{ alias, definition }]));
  }
  for (const [name, aliases] of Object.entries(registry.packs)) {
    const models = aliases.flatMap((alias) => {
      const definition = registry.models[alias];
      return definition ? [{ alias, definition }] : [];
    });
    if (models.length > 0)
      servers.push(server(name, models.map((model) => model.definition.purpose).join(', '), models));
  }
  return servers.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

function server(name: string, purpose: string, models: FleetServer['models']): FleetServer {
  return { name, purpose, models, serving: combine(models.map((model) => model.definition)) };
}

/**
 * What several models need of one server. Those of different weights may be loaded at the same time, so memory adds up;
 * their threads take turns, so the widest one decides on CPU, context, parallel and GPU; and the busiest one on the number
 * of pods.
 */
function combine(models: ModelDefinition[]): FleetServing {
  const all = models.map((model) => model.serving);
  const most = (of: (serving: Serving) => number) => Math.max(...all.map(of));
  const gpu = all.find((serving) => serving.gpu)?.gpu;
  const schedule = jointSchedule(all.map((serving) => serving.schedule)) ?? {};
  const together: FleetServing = {
    context: most((serving) => serving.context),
    parallel: most((serving) => serving.parallel),
    replicas: { min: most((serving) => serving.replicas.min), max: most((serving) => serving.replicas.max) },
    ...(Object.keys(schedule).length > 0 && { schedule }),
    cpu: most((serving) => serving.cpu),
    memoryGB: sum(byWeights(models), (same) => Math.max(...same.map(({ serving }) => serving.memoryGB))),
    ...(gpu && { gpu: { type: gpu.type, count: most((serving) => serving.gpu?.count ?? 0) } }),
    kvCacheType: all.find((serving) => serving.kvCacheType)?.kvCacheType ?? 'f16',
    ...(all.length === 1 && all[0]?.server && { server: all[0].server }),
  };
  if (gpu || all.length === 1) return together;
  // The widest context is that of all of them, which may take more than what each was given for its own.
  const need = sum(distinctWeights(models), ({ facts, serving }) => loadedBytes(facts, { ...serving, ...together }));
  return { ...together, memoryGB: Math.max(together.memoryGB, Math.ceil(need / GB)) };
}

const sum = <T>(items: T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0);

const byWeights = (models: ModelDefinition[]) => [...Map.groupBy(models, ({ facts }) => facts.name).values()];

/**
 * One model of each set of weights. Ollama has one process for all models of the same weights: on a server they take the
 * memory of one.
 */
export const distinctWeights = (models: ModelDefinition[]): ModelDefinition[] => byWeights(models).map(([one]) => one!);

/** Size on disk of the weights of a server in GB. */
export const weightsGB = (server: FleetServer) => distinctWeightsGB(server.models.map(({ definition }) => definition));

/** Size on disk of the weights of some models in GB, each set counted once: models on one base share its layers. */
export const distinctWeightsGB = (models: ModelDefinition[]): number =>
  sum(distinctWeights(models), ({ facts }) => facts.sizeGB);
