import { crc32 } from 'node:zlib';
import { type Span, topLevelMembers } from '../shared/body.ts';
import { endOfValue, skipSpace } from '../shared/json.ts';

/** How far into the messages the first user's is looked for, in bytes and in messages: further on there are images. */
const walkedBytes = 256 * 1024;
const walkedMessages = 32;

/** Of a long text, this many bytes from either end tell it from others, together with its length. */
const edgeBytes = 8 * 1024;

/**
 * A prompt grows with each turn, and nothing in it says where the first turn ends. So much of its beginning, in bytes, is
 * taken for what the turns share: mostly more than instructions that an application begins all its prompts with, and
 * less than a first turn with its answer.
 */
const promptBytes = 512;

const openBracket = 0x5b;
const comma = 0x2c;
const quote = 0x22;

/**
 * A number that the turns of one conversation have in common, so that they can go to the replica which has their prefix in
 * its cache; undefined where nothing is known to be shared. Clients send the whole conversation each time and append to it:
 * in `messages` everything up to the first message of the user stays as it is (the system's, then the one that tells
 * conversations apart); in a generation it is the system prompt and either the tokens of the turns before (`context`) or
 * the beginning of the prompt. The work is bounded, and what is wrong inside of the body Ollama says itself.
 */
export function affinityOf(body: Buffer, members: ReadonlyMap<string, Span>): number | undefined {
  const messages = members.get('messages');
  if (messages) {
    const opening = openingOf(body, messages);
    return opening && hash32(excerpt(opening));
  }
  const texts = [members.get('context'), members.get('prompt')].map((span) => textAt(body, span));
  const text = texts.find((text) => text !== undefined)?.subarray(0, promptBytes);
  const system = textAt(body, members.get('system'));
  return text && hash32(system ? Buffer.concat([excerpt(system), text]) : text);
}

/** 32 bits that differ between texts that do. Alike for alike ones, so whoever wants them spread evenly has to mix them. */
export const hash32 = (data: Buffer | string): number => crc32(data);

/** A permutation of the numbers of 32 bits in which every bit depends on all (the end of MurmurHash3). */
export function mix(number: number): number {
  let bits = number;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** The messages up to the first one of the user, that included; no more than is walked. */
function openingOf(body: Buffer, { start, end }: Span): Buffer | undefined {
  if (body[start] !== openBracket) return undefined;
  const walked = body.subarray(start + 1, Math.min(end, start + 1 + walkedBytes));
  try {
    return walked.subarray(0, endOfFirstUserMessage(walked));
  } catch {
    // What the limit cut through begins like this in every turn.
    return walked.length === walkedBytes ? walked : undefined;
  }
}

/** Throws where there is none in these bytes. */
function endOfFirstUserMessage(messages: Buffer): number {
  let at = skipSpace(messages, 0);
  for (let count = 0; count < walkedMessages; count++) {
    const end = endOfValue(messages, at);
    if (isOfUser(messages.subarray(at, end))) return end;
    at = skipSpace(messages, end);
    if (messages[at] !== comma) throw new Error('no message of the user');
    at = skipSpace(messages, at + 1);
  }
  return at;
}

function isOfUser(message: Buffer): boolean {
  const role = topLevelMembers(message).get('role');
  return role !== undefined && message.toString('latin1', role.start, role.end).toLowerCase() === '"user"';
}

/** The bytes of a string or an array that is not empty. */
function textAt(body: Buffer, span: Span | undefined): Buffer | undefined {
  if (!span || span.end - span.start <= 2) return undefined;
  const first = body[span.start];
  return first === quote || first === openBracket ? body.subarray(span.start, span.end) : undefined;
}

function excerpt(text: Buffer): Buffer {
  if (text.length <= 2 * edgeBytes) return text;
  return Buffer.concat([text.subarray(0, edgeBytes), text.subarray(-edgeBytes), Buffer.from(String(text.length))]);
}
