import { homedir } from 'node:os';
import path from 'node:path';

/** The checkout. */
export const root = path.resolve(import.meta.dirname, '../..');

/** What takes long to make and may be made again at any time: tools, images, models. Outside the checkout, so that a fresh clone starts warm. */
export function cacheDir(): string {
  const base = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  return process.env.MODEL_MANAGEMENT_CACHE || path.join(base, 'model-management');
}

/** What belongs to running clusters: a folder for each, gone when it is down. */
export function stateDir(): string {
  return path.join(process.env.XDG_STATE_HOME || path.join(homedir(), '.local/state'), 'model-management');
}
