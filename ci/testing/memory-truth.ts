import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { batch, type CacheShape } from '../../generator/memory/cache.ts';
import { allLayers, type Estimate, estimate, type Part } from '../../generator/memory/estimate.ts';
import type { PublishedModel } from '../../generator/memory/published.ts';
import { tool } from '../tools/tools.ts';
import { writeHollowModel } from './hollow-model.ts';
import { temporaryFolder } from './project.ts';

/** Where a model runs: whole on one GPU, on the CPU, half of its layers on each, or spread over four GPUs. */
export const places = ['GPU', 'CPU', 'half on a GPU', '4 GPUs'] as const;
export type PlaceName = (typeof places)[number];

/** What gguf-parser-go and the generator say of one way to run one model, in bytes without the runtime, which no header tells. */
export interface Comparison {
  model: PublishedModel;
  place: PlaceName;
  shape: CacheShape;
  truth: Estimate;
  ours: Estimate;
}

export const contexts = [4096, 8192, 16_384, 32_768];
export const parallels = [1, 2, 3, 4];
export const kvCacheTypes = ['f16', 'q8_0'] as const;

/** Every way of the grid to run a model, as far as its context was trained. */
function ways({ facts }: PublishedModel): { place: PlaceName; shape: CacheShape }[] {
  return contexts
    .filter((context) => context <= facts.trainedContext)
    .flatMap((context) =>
      parallels.flatMap((parallel) =>
        kvCacheTypes.flatMap((kvCacheType) =>
          places.map((place) => ({ place, shape: { context, parallel, kvCacheType } })),
        ),
      ),
    );
}

function layersOn(place: PlaceName, { facts }: PublishedModel): { gpuLayers: number; gpus: number } {
  switch (place) {
    case 'GPU':
      return { gpuLayers: allLayers(facts), gpus: 1 };
    case 'CPU':
      return { gpuLayers: 0, gpus: 1 };
    case 'half on a GPU':
      return { gpuLayers: Math.floor(facts.layers / 2) + 1, gpus: 1 };
    case '4 GPUs':
      return { gpuLayers: allLayers(facts), gpus: 4 };
  }
}

/**
 * Has gguf-parser-go read the headers of published models and say what each of the grid's ways to run them takes, and puts the
 * generator's own estimate beside it. Builds the tool where it is not there.
 */
export async function compareWithParser(models: PublishedModel[]): Promise<Comparison[]> {
  await using folder = await temporaryFolder();
  const files = [];
  for (const model of models) {
    const { file, projector = '' } = await writeHollowModel(folder.path, model);
    const runs = ways(model).map(({ place, shape }) => ({
      ...layersOn(place, model),
      context: shape.context * shape.parallel,
      parallel: shape.parallel,
      cacheType: shape.kvCacheType,
    }));
    files.push({ path: file, projector, runs });
  }
  const answers = await ask({ batch, files });
  return models.flatMap((model, index) =>
    ways(model).map(({ place, shape }, way) => {
      const { gpuLayers, gpus } = layersOn(place, model);
      const ours = estimate(model.facts, shape, gpuLayers, gpus);
      return { model, place, shape, truth: answers[index]!.runs[way]!, ours };
    }),
  );
}

type Answer = { runs: Estimate[] }[];

async function ask(order: unknown): Promise<Answer> {
  const child = spawn(await tool('gguf-estimate'), { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(order));
  const said = await text(child.stdout);
  if (said === '') throw new Error('gguf-estimate: said nothing: see what it printed above');
  return JSON.parse(said) as Answer;
}

const ofModel = ({ weights, cache, compute }: Part) => weights + cache + compute;
const onGpus = ({ gpus }: Estimate) => gpus.reduce((sum, part) => sum + ofModel(part), 0);

/**
 * By how much ours is above the truth (1 for twice as much), where the model's layers are: on its GPUs, or on the host; with layers
 * on both, the larger of the two.
 */
export function errorOf({ place, truth, ours }: Comparison): number {
  const gpu = truth.gpus?.length ? onGpus(ours) / onGpus(truth) - 1 : 0;
  const host = ofModel(ours.host) / ofModel(truth.host) - 1;
  if (place === 'CPU') return host;
  return place === 'half on a GPU' && Math.abs(host) > Math.abs(gpu) ? host : gpu;
}

/** The truth with the runtime that ours reckons with: what has to fit. */
export function truthWithRuntime({ truth, ours }: Comparison): number[] {
  return (truth.gpus ?? []).map((part, index) => ofModel(part) + ours.gpus[index]!.runtime);
}
