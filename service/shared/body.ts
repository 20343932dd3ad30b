import type { IncomingMessage } from 'node:http';
import { roomOf } from './body-memory.ts';
import { Refusal } from './errors.ts';
import { endOfKey, endOfValue, expected, malformed, maxDepth, skipColon, skipSpace } from './json.ts';

/** How long a client may go on sending a body that is too large before it is told so, in ms. */
const lingerMs = 5000;

/** Most members of a body, and longest key in bytes: far more than any request has, and few enough to keep. */
const maxMembers = 1000;
const maxKeyBytes = 1000;

/** Longest name of a model in a body, in bytes: four times what Ollama takes. */
const maxNameBytes = 1000;

/**
 * The whole body of a request; throws a Refusal when it has more than `limit` bytes, or there is no memory for it. What is
 * not taken is read and dropped first: a connection that is closed while its client still writes loses the answer.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const room = roomOf(request);
    const body = new Growing();
    const collect = (chunk: Buffer) => {
      if (body.size + chunk.length > limit) drop(tooLarge(limit));
      else if (!room.take(body.size + chunk.length)) drop(tooMuch());
      else body.add(chunk);
    };
    const finish = () => resolve(body.bytes);
    const drop = (refusal: Refusal) => {
      const refuse = () => {
        clearTimeout(timer);
        reject(refusal);
      };
      const timer = setTimeout(refuse, lingerMs);
      body.clear();
      request.off('data', collect).off('end', finish).on('end', refuse).resume();
    };
    const leave = () => reject(new Refusal(499, 'the client left'));
    // One that has left before anybody listens says so no more.
    if (request.destroyed && !request.readableEnded) return leave();
    request.on('error', leave);
    request.on('end', finish);
    if (Number(request.headers['content-length'] ?? 0) > limit) drop(tooLarge(limit));
    else request.on('data', collect);
  });
}

const tooLarge = (limit: number) => new Refusal(413, `request body too large: the limit is ${limit / 1024 ** 2} MiB`);

const tooMuch = () => new Refusal(503, 'there is no memory for another large request at the moment', { retryAfter: 1 });

/** Bytes that come in pieces. They are copied together at once: a client that sends them one by one must not cost an object each. */
class Growing {
  #bytes: Buffer = Buffer.alloc(0);
  size = 0;

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.size);
  }

  add(chunk: Buffer): void {
    const size = this.size + chunk.length;
    if (this.size === 0) this.#bytes = chunk;
    else {
      if (size > this.#bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#bytes.length));
        this.#bytes.copy(larger, 0, 0, this.size);
        this.#bytes = larger;
      }
      chunk.copy(this.#bytes, this.size);
    }
    this.size = size;
  }

  clear(): void {
    this.#bytes = Buffer.alloc(0);
    this.size = 0;
  }
}

/** Where the value of a member begins and ends in a body. */
export interface Span {
  start: number;
  end: number;
}

/**
 * The members of the JSON object that a body is: lower-case key to the span of its value. Nothing is built from the body,
 * which may be many MiB of images. Throws a Refusal when the body is not an object and nothing else, and when a key comes
 * twice: Ollama would take the last one, or both together where they are objects, and a hop must not read it otherwise.
 */
export function topLevelMembers(body: Buffer): Map<string, Span> {
  const members = new Map<string, Span>();
  let at = skipSpace(body, 0);
  if (body[at] !== 0x7b) throw malformed(at === body.length ? 'it is empty' : 'it is not an object');
  at = skipSpace(body, at + 1);
  while (body[at] !== 0x7d) {
    const keyEnd = endOfKey(body, at);
    const key = foldedKey(body, at, keyEnd);
    const start = skipColon(body, keyEnd);
    const end = endOfValue(body, start, maxDepth - 1);
    if (members.has(key)) throw new Refusal(400, `the request body has ${JSON.stringify(key)} twice`, { param: key });
    if (members.size === maxMembers) throw new Refusal(400, `the request body has more than ${maxMembers} members`);
    members.set(key, { start, end });
    at = skipSpace(body, end);
    if (body[at] === 0x7d) break;
    if (body[at] !== 0x2c) throw expected(body, at, "a comma or the object's end");
    at = skipSpace(body, at + 1);
    if (body[at] === 0x7d) throw expected(body, at, 'a key');
  }
  if (skipSpace(body, at + 1) < body.length) throw malformed(`it goes on after the object's end at byte ${at + 1}`);
  return members;
}

/**
 * A key as Ollama's decoder compares it with those that it knows: without regard to case, in which two letters beyond
 * ASCII count as some of ASCII's, the Kelvin sign (to which JavaScript agrees) and the long s.
 */
export const folded = (key: string) => key.toLowerCase().replaceAll('ſ', 's');

/** Keys as clients write them: nothing in them needs decoding or folding. */
const usualKey = /^[a-z_]+$/;

function foldedKey(body: Buffer, start: number, end: number): string {
  if (end - start > maxKeyBytes) throw new Refusal(400, `the request body has a key of more than ${maxKeyBytes} bytes`);
  const written = body.toString('latin1', start + 1, end - 1);
  return usualKey.test(written) ? written : folded(String(parse(body, start, end)));
}

/** The name at a span; undefined for null, which Ollama's decoder takes as absent. */
export function stringAt(body: Buffer, key: string, span: Span | undefined): string | undefined {
  if (span && span.end - span.start > maxNameBytes) throw new Refusal(400, `${key} is too long`, { param: key });
  const value = span && parse(body, span.start, span.end);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new Refusal(400, `${key} must be a string`, { param: key });
  return value;
}

/** The body with another string at a span; every other byte is as it was. */
export function withStringAt(body: Buffer, span: Span, value: string): Buffer {
  return Buffer.concat([body.subarray(0, span.start), Buffer.from(JSON.stringify(value)), body.subarray(span.end)]);
}

const parse = (body: Buffer, start: number, end: number): unknown => JSON.parse(body.toString('utf8', start, end));
