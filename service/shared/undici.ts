import { createRequire } from 'node:module';
import type * as Undici from 'undici';

/*
 * undici's own files, put together as its main module does, without what gateway and agent have no use for: loading fetch, mocks
 * and caches as well takes 12 MB more in every pod. What it gives is what its types say, and its version is pinned.
 */
const load = createRequire(import.meta.url);
const part = <T>(file: string): T => load(`undici/lib/${file}.js`) as T;

Object.assign(part<typeof Undici.Dispatcher>('dispatcher/dispatcher').prototype, part<object>('api/index'));

export const Agent = part<typeof Undici.Agent>('dispatcher/agent');
export type Agent = Undici.Agent;
export const Client = part<typeof Undici.Client>('dispatcher/client');
export type Client = Undici.Client;
export const Pool = part<typeof Undici.Pool>('dispatcher/pool');
export type Pool = Undici.Pool;
