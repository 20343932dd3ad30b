/** What a loaded model takes in memory: see estimate.ts for how the parts add up, and verdicts.ts for where it fits. */
export { kvCacheBytes } from './memory/cache.ts';
export { estimate, loadedBytes, totalBytes } from './memory/estimate.ts';
export { GB, GiB, MiB } from './memory/units.ts';
