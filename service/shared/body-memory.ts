import type { IncomingMessage, ServerResponse } from 'node:http';
import { totalmem } from 'node:os';

/** Bodies up to this many bytes are taken whatever is held: uploads must not keep out those that chat. */
const smallBytes = 64 * 1024;

/** Memory that a request may use for its body. */
export interface Room {
  /** Whether its body may grow to a size in bytes. What it takes is given back when its answer has ended. */
  take(size: number): boolean;
}

/**
 * Where a request has its room. Not in a WeakMap: the collector of young objects keeps whatever a value of one refers to,
 * its own key too, so that every request would live, with its answer, until the next collection of all.
 */
const roomKey = Symbol('room');
const boundless: Room = { take: () => true };

/** The room of a request, as the app gave it. */
export const roomOf = (request: IncomingMessage & { [roomKey]?: Room }): Room => request[roomKey] ?? boundless;

/**
 * The memory for the bodies of all requests in hand. Each body has a limit, but their number is only limited by that of
 * the connections: without a limit on their sum, a few dozen clients with images would end the process.
 */
export class BodyMemory {
  readonly #limit: number;
  #held = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** Gives a request its room. */
  give(request: IncomingMessage & { [roomKey]?: Room }, response: ServerResponse): void {
    let taken = 0;
    request[roomKey] = {
      take: (size) => {
        if (size <= smallBytes) return true;
        const more = size - taken;
        // With nothing else held, a body is only limited by its own limit.
        if (this.#held > taken && this.#held + more > this.#limit) return false;
        if (taken === 0) {
          response.once('close', () => {
            this.#held -= taken;
          });
        }
        this.#held += more;
        taken = size;
        return true;
      },
    };
  }
}

/** A quarter of the memory that the process may use, in bytes: a body that is changed on its way is held twice, and so is one being sent. */
export function defaultBodyMemory(): number {
  return Math.floor(Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem()) / 4);
}
