import type { Schedule } from '../schema/autoscaling.ts';
import type {
  Canary,
  ModelAlias,
  OllamaDuration,
  OllamaName,
  Priority,
  Queue,
  RunnerOptions,
} from '../schema/types.ts';
import type { AlertOverrides, DeepPartial, Model, ObjectiveOverrides, Server } from '../schema/values.ts';
import type { GpuType } from './gpus.ts';
import type { GgmlType } from './memory/ggml.ts';
import type { Quantisation } from './memory/quantisations.ts';

/** What is true of a set of weights, whoever serves them. Every figure has its source. */
export interface ModelFacts {
  /** Name by which Ollama pulls it. */
  name: string;
  /** Digest of its manifest, where one is to be insisted on. */
  digest?: string;
  /** Size on disk in GB (10⁹ bytes), as its library page lists it. */
  sizeGB: number;
  /** How its weights are quantised, as its library page lists it. */
  quantisation: Quantisation;
  /** Transformer layers that keep keys and values. */
  layers: number;
  /** Query heads in a layer. */
  heads: number;
  /** Key-value heads in a layer. */
  kvHeads: number;
  /** Width of a head. */
  headDim: number;
  /** Width of the head of a value, where it is another than that of a key. */
  valueHeadDim?: number;
  /**
   * Width of a token's embedding, and the tokens that it knows. `input` is the type that the table of embeddings is stored
   * in, `output` that of the layer which makes tokens; without one of its own, that is the table again.
   */
  embedding: { width: number; vocabulary: number; input: GgmlType; output?: GgmlType };
  /** Width of the feed-forward block of a layer; of one expert, where it has several. */
  feedForward: number;
  /** Experts in a layer, and how many of them a token goes through. */
  experts?: { count: number; used: number };
  /** The tokens that layers look back over, all but every nth, which sees the whole context. */
  slidingWindow?: { tokens: number; every: number };
  /** What reads images: its share of `sizeGB`, and what it computes in. */
  vision?: { sizeGB: number; computeMiB: number };
  /** Longest context in tokens that it was trained on. */
  trainedContext: number;
  /** Licence of the weights. */
  licence: string;
  /** Where these figures stand. */
  source: string;
}

/** How we choose to serve it. Whatever follows from facts and choices is derived, never written down. */
export interface Serving {
  /** Context of one request in tokens. */
  context: number;
  /** Requests answered at the same time by one pod. */
  parallel: number;
  /** Fewest and most pods. */
  replicas: { min: number; max: number };
  /** Times of the week that want other fewest pods than `replicas.min`. */
  schedule?: Schedule;
  /** CPU in cores; whole, because Ollama runs a thread on each. */
  cpu: number;
  /** Memory in GB (10⁹ bytes). */
  memoryGB: number;
  /** GPUs of one pod; none for a model on CPUs. */
  gpu?: { type: GpuType; count: number };
  /** Whose requests and loads go first. */
  priority: Priority;
  /** Further names that clients may use for it. */
  aliases?: OllamaName[];
  /** Keys of the models that answer in its place, the first that can, while it is saturated or down. */
  fallbacks?: ModelAlias[];
  /** Its next version on trial: the key of that, and the percent of the conversations that it answers. */
  canary?: Canary;
  /** How long it stays loaded while unused, `-1` for always; as long as every other unless it says so. */
  keepAlive?: OllamaDuration;
  /** What becomes of runner options in its requests; what becomes of every other's unless it says so. */
  runnerOptions?: RunnerOptions;
  /** Where its requests wait, as far as that is not as with every other. */
  queue?: Partial<Queue>;
  /** From where on it is worth an alert, as far as that is not as with every other. */
  alerts?: AlertOverrides;
  /** What its clients may count on, as far as that is not as with every other of its priority. */
  objectives?: ObjectiveOverrides;
  /** Type of the context's cache; f16 unless it has to be smaller. */
  kvCacheType?: Server['ollama']['kvCacheType'];
  /** Further settings of its server that nothing is derived from. */
  server?: DeepPartial<Pick<Server, 'autoscaling' | 'gpu' | 'podDisruptionBudget' | 'scheduling'>>;
}

/** One file of generator/registry/, whose name without `.ts` is the model's key. */
export interface ModelDefinition {
  /** What it is for, in a few words. */
  purpose: string;
  /** The weights that are pulled. */
  facts: ModelFacts;
  /** What makes a model of our own out of them; without it, they are served under their own name. */
  modelfile?: { system: string; parameters?: NonNullable<Model['parameters']> };
  /** How it is served. */
  serving: Serving;
}

/** Types a registry file; what it returns is what it was given. */
export function defineModel(definition: ModelDefinition): ModelDefinition {
  return definition;
}
