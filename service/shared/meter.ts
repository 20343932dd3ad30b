import type { IncomingHttpHeaders } from 'node:http';

/** What an answer cost, in tokens. */
export interface Usage {
  /** Tokens of the prompt that were evaluated. */
  read: number;
  /** Tokens of the answer. */
  written: number;
}

/** What is kept of an answer's end, in bytes: Ollama says its counts last, after everything that can be long. */
const tailBytes = 1024;

const event = Buffer.from('data:');

/**
 * Reads time to first byte, time between chunks and token counts off an answer that goes by, without holding it up or
 * building anything from it. It looks at the last bytes alone: Ollama's dialect has its counts in the last object, OpenAI's
 * in `usage`. A stream of OpenAI's dialect whose client did not ask for usage has none: there each event counts as a token,
 * as Ollama sends them.
 */
export class Meter {
  /** Milliseconds of `performance.now()` at which the first byte of the answer's body came. */
  firstAt: number | undefined;
  #lastAt: number | undefined;
  readonly #between: (seconds: number) => void;
  #events = 0;
  #isEvents = false;
  #succeeded = false;
  /** A copy: a chunk's own memory may be part of a much larger piece. */
  readonly #tail = Buffer.allocUnsafe(tailBytes);
  #tailSize = 0;

  /** `between` is told of the time in seconds between two chunks of a stream. */
  constructor(between: (seconds: number) => void) {
    this.#between = between;
  }

  start(status: number, headers: IncomingHttpHeaders): void {
    this.#succeeded = status === 200;
    this.#isEvents = String(headers['content-type']).startsWith('text/event-stream');
  }

  data(chunk: Buffer): void {
    const now = performance.now();
    if (this.#lastAt === undefined) this.firstAt = now;
    else this.#between((now - this.#lastAt) / 1000);
    this.#lastAt = now;
    if (this.#isEvents) this.#count(chunk);
    const end = chunk.subarray(-tailBytes);
    const surplus = this.#tailSize + end.length - tailBytes;
    if (surplus > 0) {
      this.#tail.copyWithin(0, surplus, this.#tailSize);
      this.#tailSize -= surplus;
    }
    this.#tail.set(end, this.#tailSize);
    this.#tailSize += end.length;
  }

  /** What the answer cost; undefined where it does not say. */
  usage(): Usage | undefined {
    if (!this.#succeeded) return undefined;
    const end = this.#tail.toString('latin1', 0, this.#tailSize);
    const read = lastNumber(end, '"prompt_eval_count":', '"prompt_tokens":');
    const written = lastNumber(end, '"eval_count":', '"completion_tokens":');
    if (read !== undefined || written !== undefined) return { read: read ?? 0, written: written ?? 0 };
    // The last event is [DONE], the one before it has no content.
    return this.#isEvents ? { read: 0, written: Math.max(0, this.#events - 2) } : undefined;
  }

  #count(chunk: Buffer): void {
    for (let at = chunk.indexOf(event); at >= 0; at = chunk.indexOf(event, at + event.length)) this.#events++;
  }
}

const number = /\s*(\d+)/y;

/** The number that follows the last of two keys. */
function lastNumber(text: string, oneKey: string, otherKey: string): number | undefined {
  const [one, other] = [text.lastIndexOf(oneKey), text.lastIndexOf(otherKey)];
  if (one < 0 && other < 0) return undefined;
  number.lastIndex = one > other ? one + oneKey.length : other + otherKey.length;
  const found = number.exec(text);
  return found ? Number(found[1]) : undefined;
}
