import { Refusal } from './errors.ts';

/** How deep lists and objects may be in one another. Requests need a handful; a deeper one is after a stack. */
export const maxDepth = 512;

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const openBracket = 0x5b;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The bytes of a string that stand for themselves. */
const plain = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte >= 0x20 && byte !== quote && byte !== backslash),
);

/** How many bytes of each escape follow its backslash. */
const escapes = new Uint8Array(256);
for (const byte of Buffer.from('"\\/bfnrt')) escapes[byte] = 1;
escapes[0x75] = 5;

const literals = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/**
 * Steps over JSON byte by byte, to where a value ends, and throws a Refusal where the text is none: what a hop lets
 * through, every decoder reads in the same way. Nothing is built, nothing recurs, and no byte is looked at twice, so a body
 * of 32 MiB takes some tens of milliseconds whatever is in it. That its bytes are UTF-8 is not looked at: decoders
 * replace what is not.
 */
export function endOfValue(body: Buffer, from: number, depth = maxDepth): number {
  /** How what is open will be closed. */
  const open: number[] = [];
  let at = from;
  for (;;) {
    const first = body[at];
    if (first === openBrace || first === openBracket) {
      if (open.length === depth) throw malformed(`it is nested more than ${maxDepth} levels deep`);
      const close = first + 2;
      at = skipSpace(body, at + 1);
      if (body[at] !== close) {
        open.push(close);
        if (close === closeBrace) at = skipColon(body, endOfKey(body, at));
        continue;
      }
      at++;
    } else at = endOfScalar(body, at);
    for (;;) {
      const close = open.at(-1);
      if (close === undefined) return at;
      at = skipSpace(body, at);
      if (body[at] === comma) {
        at = skipSpace(body, at + 1);
        if (close === closeBrace) at = skipColon(body, endOfKey(body, at));
        break;
      }
      if (body[at] !== close) {
        throw expected(body, at, `a comma or the ${close === closeBrace ? "object's" : "list's"} end`);
      }
      open.pop();
      at++;
    }
  }
}

/** Steps over an object's key. */
export function endOfKey(body: Buffer, from: number): number {
  if (body[from] !== quote) throw expected(body, from, 'a key');
  return endOfString(body, from);
}

/** Steps from the end of a key to its value. */
export function skipColon(body: Buffer, from: number): number {
  const at = skipSpace(body, from);
  if (body[at] !== colon) throw expected(body, at, 'a colon');
  return skipSpace(body, at + 1);
}

export function skipSpace(body: Buffer, from: number): number {
  let at = from;
  while (isSpace(body[at])) at++;
  return at;
}

/** What to say where something else was expected in a body. */
export function expected(body: Buffer, at: number, what: string): Refusal {
  return malformed(at >= body.length ? 'it ends too early' : `${what} was expected at byte ${at}`);
}

export const malformed = (problem: string) => new Refusal(400, `the request body is not valid JSON: ${problem}`);

const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function endOfScalar(body: Buffer, from: number): number {
  const first = body[from];
  if (first === quote) return endOfString(body, from);
  if (first === 0x2d || isDigit(first)) return endOfNumber(body, from);
  for (const literal of literals) {
    if (first !== literal[0]) continue;
    for (let n = 1; n < literal.length; n++) {
      if (body[from + n] !== literal[n]) throw expected(body, from + n, 'a value');
    }
    return from + literal.length;
  }
  throw expected(body, from, 'a value');
}

function endOfString(body: Buffer, from: number): number {
  const end = body.length;
  for (let at = from + 1; at < end; ) {
    const byte = body[at]!;
    if (plain[byte] === 1) at++;
    else if (byte === quote) return at + 1;
    else if (byte === backslash) at = endOfEscape(body, at);
    else throw malformed(`a string has a control character at byte ${at}`);
  }
  throw malformed('a string has no end');
}

function endOfEscape(body: Buffer, from: number): number {
  if (from + 1 >= body.length) throw malformed('a string has no end');
  const length = escapes[body[from + 1]!]!;
  if (length === 0) throw malformed(`a string has an unknown escape at byte ${from}`);
  for (let at = from + 2; at <= from + length; at++) {
    if (!isHex(body[at])) throw malformed(`a string has an unknown escape at byte ${from}`);
  }
  return from + 1 + length;
}

function endOfNumber(body: Buffer, from: number): number {
  let at = body[from] === 0x2d ? from + 1 : from;
  at = body[at] === 0x30 ? at + 1 : endOfDigits(body, at);
  if (body[at] === 0x2e) at = endOfDigits(body, at + 1);
  if (body[at] === 0x65 || body[at] === 0x45) {
    at++;
    if (body[at] === 0x2b || body[at] === 0x2d) at++;
    at = endOfDigits(body, at);
  }
  return at;
}

function endOfDigits(body: Buffer, from: number): number {
  let at = from;
  while (isDigit(body[at])) at++;
  if (at === from) throw expected(body, at, 'a digit');
  return at;
}

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

const isHex = (byte: number | undefined) =>
  isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
