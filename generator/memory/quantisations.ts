import type { GgmlType } from './ggml.ts';

/**
 * Ways in which whole models are quantised, as library pages list them: the bits that a weight takes on average, and the
 * widest type that the mix gives to a tensor of a layer. Bits are those of Llama 3.1 8B
 * (https://github.com/ggml-org/llama.cpp/blob/master/tools/quantize/README.md), for guesses about a quantisation that is not
 * at hand; a model's own size is what counts for the one that is. MXFP4 is what gpt-oss was trained in: experts in MXFP4, the
 * rest in BF16.
 */
export const quantisations = {
  F32: { bits: 32, widest: 'F32' },
  F16: { bits: 16, widest: 'F16' },
  BF16: { bits: 16, widest: 'BF16' },
  Q8_0: { bits: 8.5, widest: 'Q8_0' },
  Q6_K: { bits: 6.56, widest: 'Q6_K' },
  Q5_K_M: { bits: 5.7, widest: 'Q6_K' },
  Q5_K_S: { bits: 5.57, widest: 'Q5_K' },
  Q5_1: { bits: 6, widest: 'Q5_1' },
  Q5_0: { bits: 5.57, widest: 'Q5_0' },
  Q4_K_M: { bits: 4.89, widest: 'Q6_K' },
  Q4_K_S: { bits: 4.67, widest: 'Q5_K' },
  Q4_1: { bits: 5.09, widest: 'Q4_1' },
  Q4_0: { bits: 4.65, widest: 'Q4_0' },
  IQ4_XS: { bits: 4.45, widest: 'IQ4_XS' },
  MXFP4: { bits: 4.25, widest: 'MXFP4' },
  Q3_K_L: { bits: 4.31, widest: 'Q5_K' },
  Q3_K_M: { bits: 4, widest: 'Q5_K' },
  Q3_K_S: { bits: 3.64, widest: 'Q3_K' },
  Q2_K: { bits: 3.16, widest: 'Q3_K' },
} as const satisfies Record<string, { bits: number; widest: GgmlType }>;

export type Quantisation = keyof typeof quantisations;
