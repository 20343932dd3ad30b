import type { RunnerOptions } from '../../schema/types.ts';
import { folded, type Span } from '../shared/body.ts';
import { Refusal } from '../shared/errors.ts';
import { endOfKey, endOfValue, skipColon, skipSpace } from '../shared/json.ts';

/**
 * The options of a request that belong to the process which runs the model, `api.Runner` in Ollama's sources: one that
 * asks for others than the model was loaded with makes Ollama end that process, once all its answers are given, and
 * load again.
 */
const runnerOptions = new Set([
  'num_ctx',
  'num_batch',
  'num_gpu',
  'main_gpu',
  'use_mmap',
  'num_thread',
  // Of newer versions than 0.11.
  'draft_num_predict',
  // Of older ones.
  'numa',
  'low_vram',
  'f16_kv',
  'logits_all',
  'vocab_only',
  'use_mlock',
  'embedding_only',
]);

export const isRunnerOption = (name: string): boolean => runnerOptions.has(name);

/**
 * Members of the body itself that do the same: how an answer goes on beyond the context, in versions newer than 0.11.
 */
const runnerMembers = new Set(['shift']);

/** The routes whose bodies have such options. Those under /v1 give Ollama none, and /api/show asks no process. */
const nativeRoutes = new Set(['/api/generate', '/api/chat', '/api/embed', '/api/embeddings']);

/**
 * Most options of a request, and the longest key of one that is looked at, in bytes: an escape has six for a letter.
 */
const maxOptions = 1000;
const maxKeyBytes = 128;

/** Another text for a part of a body. */
export interface Edit extends Span {
  text: string;
}

/** A member of an object, from its key to the end of its value. */
interface Member extends Span {
  /** Its key, if it is to go. */
  name: string | undefined;
}

/**
 * What is to be cut out of a request so that its model stays loaded as it is. With `refuse`, such a request is refused
 * instead; `contextLength` is then told to the client, if it is known.
 */
export function pin(
  path: string,
  body: Buffer,
  members: Map<string, Span>,
  how: RunnerOptions,
  { key, contextLength }: { key: string; contextLength?: number | undefined },
): Edit[] {
  if (!nativeRoutes.has(path)) return [];
  const options = members.get('options');
  const isObject = options !== undefined && body[options.start] === 0x7b;
  const inOptions = isObject ? membersAt(body, options.start, isRunnerOption) : [];
  const isInBody = [...runnerMembers].some((name) => members.has(name));
  // The keys of options Ollama takes as they are, those of the body it folds.
  const inBody = isInBody ? membersAt(body, skipSpace(body, 0), (name) => runnerMembers.has(folded(name))) : [];
  const name = [...inOptions, ...inBody].find(({ name }) => name !== undefined)?.name;
  if (how === 'refuse' && name !== undefined) {
    const served = name === 'num_ctx' && contextLength ? ` (${contextLength})` : '';
    const why = `model '${key}' is served to all with its own${served}, and would have to be loaded anew`;
    throw new Refusal(400, `${name} cannot be set by a request: ${why}: leave it out`, { param: name });
  }
  return [...cuts(inOptions), ...cuts(inBody)];
}

/** The body after some edits, which must not overlap; every other byte is as it was. */
export function withEdits(body: Buffer, edits: Edit[]): Buffer {
  if (edits.length === 0) return body;
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(body.subarray(at, start), Buffer.from(text));
    at = end;
  }
  return Buffer.concat([...parts, body.subarray(at)]);
}

/**
 * The members of the object that begins at a byte, which is known to be sound; those with a name are the ones
 * `isPinned` speaks of.
 */
function membersAt(body: Buffer, from: number, isPinned: (key: string) => boolean): Member[] {
  const members: Member[] = [];
  let at = skipSpace(body, from + 1);
  while (body[at] !== 0x7d) {
    if (members.length === maxOptions) {
      throw new Refusal(400, `options has more than ${maxOptions} members`, { param: 'options' });
    }
    const start = at;
    const keyEnd = endOfKey(body, start);
    const value = skipColon(body, keyEnd);
    const end = endOfValue(body, value);
    const isShort = keyEnd - start <= maxKeyBytes;
    const key = isShort ? (JSON.parse(body.toString('utf8', start, keyEnd)) as string) : undefined;
    // Null is to Ollama as if nothing was said.
    const isNull = body[value] === 0x6e;
    members.push({ name: key !== undefined && !isNull && isPinned(key) ? key : undefined, start, end });
    at = skipSpace(body, end);
    if (body[at] === 0x2c) at = skipSpace(body, at + 1);
  }
  return members;
}

/** What to cut of an object, with the commas, so that only its members without a name are left. */
function cuts(members: Member[]): Edit[] {
  const firstKept = members.findIndex(({ name }) => name === undefined);
  if (members.length > 0 && firstKept < 0) return [{ start: members[0]!.start, end: members.at(-1)!.end, text: '' }];
  return members.flatMap(({ name, start, end }, index) => {
    if (name === undefined) return [];
    if (index < firstKept) return { start, end: members[index + 1]!.start, text: '' };
    return { start: members[index - 1]!.end, end, text: '' };
  });
}
