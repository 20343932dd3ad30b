/**
 * GPUs by the memory that programs get of them, in MiB: what CUDA says they have in all (`cudaMemGetInfo`), the least of what users
 * report of each in PyTorch's `total capacity of … GiB`. It is less than the round figure of the data sheet, and than what
 * `nvidia-smi` lists, of which the driver keeps half a GiB or so. V100 is the one of 16 GB and A100 the one of 80, unless their
 * names say otherwise.
 */
export const gpus = {
  T4: { memoryMiB: 14_909 },
  V100: { memoryMiB: 16_076 },
  L4: { memoryMiB: 22_558 },
  A10G: { memoryMiB: 22_579 },
  'V100-32GB': { memoryMiB: 32_491 },
  'A100-40GB': { memoryMiB: 40_325 },
  L40S: { memoryMiB: 45_404 },
  A100: { memoryMiB: 81_039 },
  H100: { memoryMiB: 81_080 },
} as const satisfies Record<string, { memoryMiB: number }>;

export type GpuType = keyof typeof gpus;

/**
 * Slices of a GPU (MIG) by the name that the device plugin gives them, `nvidia.com/` before it, with the memory that
 * `nvidia-smi mig -lgip` lists, in MiB. Where two GPUs have a slice of one name (A100 80GB: 9.50 GiB, H100: 9.75), it is the lesser.
 */
export const migSlices = {
  'mig-1g.5gb': { memoryMiB: 4864 },
  'mig-1g.10gb': { memoryMiB: 9728 },
  'mig-2g.10gb': { memoryMiB: 9984 },
  'mig-1g.20gb': { memoryMiB: 19_968 },
  'mig-2g.20gb': { memoryMiB: 19_968 },
  'mig-3g.20gb': { memoryMiB: 20_090 },
  'mig-4g.20gb': { memoryMiB: 20_090 },
  'mig-3g.40gb': { memoryMiB: 40_192 },
  'mig-4g.40gb': { memoryMiB: 40_192 },
  'mig-7g.40gb': { memoryMiB: 40_192 },
  'mig-7g.80gb': { memoryMiB: 80_640 },
} as const satisfies Record<string, { memoryMiB: number }>;

export type MigSlice = keyof typeof migSlices;
