/**
 * GPUs by the memory that their driver reports, in MiB (`nvidia-smi --query-gpu=memory.total`). It is a little less than
 * the round figure of the data sheet, and what a model has to fit into.
 */
export const gpus = {
  T4: { memoryMiB: 15_360 },
  V100: { memoryMiB: 16_384 },
  L4: { memoryMiB: 23_034 },
  A10G: { memoryMiB: 23_028 },
  L40S: { memoryMiB: 46_068 },
  A100: { memoryMiB: 81_920 },
  H100: { memoryMiB: 81_559 },
} as const satisfies Record<string, { memoryMiB: number }>;

export type GpuType = keyof typeof gpus;
