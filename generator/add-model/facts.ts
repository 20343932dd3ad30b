import { bytesOf } from '../memory/ggml.ts';
import { type Quantisation, quantisations } from '../memory/quantisations.ts';
import { GB } from '../memory/units.ts';
import type { ModelFacts } from '../model.ts';
import type { GgufHeader, TensorInfo } from './header.ts';

/** What a header tells of a model; what it does not is where it comes from. */
export type HeaderFacts = Omit<ModelFacts, 'name' | 'source'>;

/** Signs of models whose memory the generator does not know how to reckon, and what they are. */
const strangers: [RegExp, string][] = [
  [/\.ssm\.|\.wkv\.|\.shortconv\.|\.kda\./, 'keeps a state instead of a cache in some layers'],
  [/\.attention\.kv_lora_rank$|\.attention\.key_length_mla$/, 'keeps a compressed cache'],
  [/\.attention\.(key_length_swa|shared_kv_layers)$/, 'has layers with caches of several widths'],
  [/\.altup\./, 'feeds its layers in ways of its own'],
];

/** All but every nth layer look back over a window, unless the header says which (llama.cpp, src/models). */
const windowPeriods: Record<string, number> = { gemma2: 2, gemma3: 6, 'gpt-oss': 2, cohere2: 4, olmo2: 4, llama4: 4 };

/**
 * The facts of a model by its header. Throws in one line where it is no model of its own (a part, a projector, an adapter), is
 * cut off, or is of a kind that nothing is known of here.
 */
export function factsOf(header: GgufHeader): HeaderFacts {
  const { metadata, tensors, size } = header;
  const architecture = metadata.get('general.architecture');
  if (typeof architecture !== 'string' || architecture === '')
    throw new Error('does not say which architecture it has');
  refuseParts(header, architecture);
  for (const [pattern, what] of strangers) {
    if ([...metadata.keys()].some((key) => pattern.test(key))) {
      throw new Error(`${what} (${architecture}): its memory cannot be foretold here`);
    }
  }
  const own = (key: string) => metadata.get(`${architecture}.${key}`);
  if (own('pooling_type') || own('attention.causal') === false) throw new Error('embeds texts, and does not answer');
  const count = (key: string): number | undefined => {
    const value = own(key);
    // One figure for each layer: the largest.
    const number = Array.isArray(value) ? Math.max(...value.map(Number)) : value;
    return typeof number === 'number' && Number.isInteger(number) && number > 0 ? number : undefined;
  };
  const needed = (key: string) => {
    const value = count(key);
    if (value === undefined) throw new Error(`has no ${architecture}.${key}: its memory cannot be foretold`);
    return value;
  };
  refuseCutOff(header);

  const table = tensor(tensors, 'token_embd.weight');
  if (table?.shape.length !== 2) throw new Error('has no table of embeddings: it is no language model');
  const heads = needed('attention.head_count');
  const width = needed('embedding_length');
  const headDim = count('attention.key_length') ?? Math.floor(width / heads);
  const valueHeadDim = count('attention.value_length') ?? headDim;
  const experts = count('expert_count');
  const output = tensor(tensors, 'output.weight');
  const sighted = tensors.filter(({ name }) => /^(v|mm)\./.test(name)).reduce((sum, one) => sum + tensorBytes(one), 0);
  const feedForward = experts
    ? (count('expert_feed_forward_length') ?? needed('feed_forward_length'))
    : needed('feed_forward_length');
  const slidingWindow = windowOf(header, architecture);
  const licence = metadata.get('general.license');
  return {
    sizeGB: gigabytes(size),
    quantisation: quantisationOf(header),
    layers: needed('block_count'),
    heads,
    kvHeads: count('attention.head_count_kv') ?? heads,
    headDim,
    ...(valueHeadDim !== headDim && { valueHeadDim }),
    embedding: { width, vocabulary: table.shape[1]!, input: table.type, ...(output && { output: output.type }) },
    feedForward,
    ...(experts && { experts: { count: experts, used: needed('expert_used_count') } }),
    ...(slidingWindow && { slidingWindow }),
    // What Ollama itself sets aside to compute in (mmprojOffloadHeadroom).
    ...(sighted > 0 && { vision: { sizeGB: gigabytes(sighted), computeMiB: 1024 } }),
    trainedContext: needed('context_length'),
    licence: typeof licence === 'string' && licence !== '' ? licence : 'not said in its header',
  };
}

const tensor = (tensors: TensorInfo[], name: string) => tensors.find((one) => one.name === name);
const tensorBytes = ({ type, shape }: TensorInfo) =>
  bytesOf(
    type,
    shape.reduce((a, b) => a * b, 1),
  );

/** Three digits are as many as two library pages agree on. */
const gigabytes = (bytes: number) => Number((bytes / GB).toPrecision(3));

function refuseParts({ metadata }: GgufHeader, architecture: string): void {
  const parts = metadata.get('split.count');
  if (typeof parts === 'number' && parts > 1) {
    throw new Error(`is one of ${parts} parts, and Ollama wants one file: join them with llama-gguf-split --merge`);
  }
  const type = metadata.get('general.type');
  if (architecture === 'clip' || type === 'mmproj') throw new Error('reads images for another model: name that one');
  if (type === 'adapter') throw new Error('is an adapter for another model: name that one');
}

function refuseCutOff({ tensors, dataOffset, size }: GgufHeader): void {
  const end = Math.max(0, ...tensors.map((one) => dataOffset + one.offset + tensorBytes(one)));
  if (tensors.length === 0) throw new Error('has no tensors: it is a vocabulary, or no model');
  if (end > size) throw new Error(`is cut off: it has ${size} bytes of ${end}: download it again`);
}

function windowOf({ metadata }: GgufHeader, architecture: string): ModelFacts['slidingWindow'] {
  const tokens = metadata.get(`${architecture}.attention.sliding_window`);
  if (typeof tokens !== 'number' || tokens < 1) return undefined;
  const pattern = metadata.get(`${architecture}.attention.sliding_window_pattern`);
  // Which layers, one by one: as often as the first that sees everything comes.
  const first = Array.isArray(pattern) ? pattern.findIndex((windowed) => !windowed) + 1 : 0;
  const every = first > 0 ? first : typeof pattern === 'number' ? pattern : windowPeriods[architecture];
  // llama.cpp looks at everything where an architecture has no pattern, whatever the header says.
  return every !== undefined && every > 1 ? { tokens, every } : undefined;
}

/** Names of `general.file_type` (llama_ftype in llama.h). */
const fileTypes: Record<number, Quantisation> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  30: 'IQ4_XS',
  32: 'BF16',
  38: 'MXFP4',
};

/** How its weights are quantised: what it says, or what comes nearest to the bits that they take. */
function quantisationOf({ metadata, tensors }: GgufHeader): Quantisation {
  const said = fileTypes[metadata.get('general.file_type') as number];
  if (said) return said;
  const sum = (of: (one: TensorInfo) => number) => tensors.reduce((total, one) => total + of(one), 0);
  const bits = (8 * sum(tensorBytes)) / sum(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const off = (name: Quantisation) => Math.abs(quantisations[name].bits - bits);
  return (Object.keys(quantisations) as Quantisation[]).reduce((best, name) => (off(name) < off(best) ? name : best));
}
