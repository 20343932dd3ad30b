import type { IncomingMessage } from 'node:http';
import { Refusal } from './errors.ts';

/** How long a client may go on sending a body that is too large before it is told so, in ms. */
const lingerMs = 5000;

/**
 * The whole body of a request; throws a Refusal when it has more than `limit` bytes. What comes beyond the limit is read
 * and dropped first: a connection that is closed while its client still writes loses the answer.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const collect = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) drop();
      else chunks.push(chunk);
    };
    const finish = () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
    const drop = () => {
      const refuse = () => {
        clearTimeout(timer);
        reject(new Refusal(413, `request body too large: the limit is ${limit / 1024 ** 2} MiB`));
      };
      const timer = setTimeout(refuse, lingerMs);
      chunks.length = 0;
      request.off('data', collect).off('end', finish).on('end', refuse).resume();
    };
    request.on('error', () => reject(new Refusal(499, 'the client left')));
    request.on('end', finish);
    if (Number(request.headers['content-length'] ?? 0) > limit) drop();
    else request.on('data', collect);
  });
}

/** Where the value of a member begins and ends in a body. */
export interface Span {
  start: number;
  end: number;
}

const quote = 0x22;
const backslash = 0x5c;
const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * The members of the JSON object that a body is: lower-case key to the span of its value, the last one where a key comes
 * twice. So does Ollama's decoder read them, which ignores the case of keys too. Nothing is built from the body, which may be
 * many MiB of images: values are stepped over, and what is wrong inside of them Ollama says itself. Throws a Refusal when
 * the body is no object.
 */
export function topLevelMembers(body: Buffer): Map<string, Span> {
  const members = new Map<string, Span>();
  let at = skipSpace(body, 0);
  if (body[at] !== 0x7b) throw malformed(body.length === 0 ? 'it is empty' : 'it is not an object');
  at = skipSpace(body, at + 1);
  if (body[at] === 0x7d) return members;
  for (;;) {
    if (body[at] !== quote) throw malformed(`a key was expected at byte ${at}`);
    const keyEnd = endOfString(body, at);
    const key = String(parse(body, at, keyEnd)).toLowerCase();
    at = skipSpace(body, keyEnd);
    if (body[at] !== 0x3a) throw malformed(`a colon was expected at byte ${at}`);
    const start = skipSpace(body, at + 1);
    const end = endOfValue(body, start);
    members.set(key, { start, end });
    at = skipSpace(body, end);
    if (body[at] === 0x7d) return members;
    if (body[at] !== 0x2c) throw malformed(`a comma or the object's end was expected at byte ${at}`);
    at = skipSpace(body, at + 1);
  }
}

/** The string at a span; undefined for null, which Ollama's decoder takes as absent. */
export function stringAt(body: Buffer, key: string, span: Span | undefined): string | undefined {
  const value = span && parse(body, span.start, span.end);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new Refusal(400, `${key} must be a string`, { param: key });
  return value;
}

/** The body with another string at a span; every other byte is as it was. */
export function withStringAt(body: Buffer, span: Span, value: string): Buffer {
  return Buffer.concat([body.subarray(0, span.start), Buffer.from(JSON.stringify(value)), body.subarray(span.end)]);
}

const malformed = (problem: string) => new Refusal(400, `the request body is not valid JSON: ${problem}`);

function parse(body: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(body.toString('utf8', start, end));
  } catch {
    throw malformed(`a value was expected at byte ${start}`);
  }
}

/** The first byte from there on that is no white space. */
export function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (isSpace(body[at])) at++;
  return at;
}

function endOfString(body: Buffer, from: number): number {
  for (let at = from + 1; ; at++) {
    at = body.indexOf(quote, at);
    if (at < 0) throw malformed('a string has no end');
    let escapes = 0;
    while (body[at - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
}

/** Where the value that begins there ends; throws a Refusal when it does not. */
export function endOfValue(body: Buffer, from: number): number {
  if (body[from] === quote) return endOfString(body, from);
  let depth = 0;
  for (let at = from; at < body.length; at++) {
    const byte = body[at]!;
    if (byte === quote) at = endOfString(body, at) - 1;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return at;
  }
  throw malformed('it ends too early');
}
