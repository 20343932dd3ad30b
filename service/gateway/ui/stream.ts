import type { FleetEvent } from '../status/view.ts';
import { ask, problemIn } from './session.ts';

/** How the connection to the gateway is. */
export type Connection =
  | { state: 'connecting' }
  | { state: 'live' }
  /** It is tried again at that time, in ms since 1970. */
  | { state: 'away'; why: string; againAt: number }
  /** An API key is needed, or another one. */
  | { state: 'locked'; why: string }
  /** Nobody looks. */
  | { state: 'resting' };

export interface Listener {
  event(event: FleetEvent, isWhole: boolean): void;
  connection(connection: Connection): void;
}

/** After how long without a word the gateway counts as away, in ms; it says something every two seconds. */
const silenceMs = 8000;

/** How long it rests before it tries again, in ms: the first time, and at most. */
const firstRestMs = 1000;
const longestRestMs = 15_000;

/** After how long in the background it lets go of the gateway, in ms. */
const hiddenMs = 30_000;

/** Follows the fleet: an EventSource could not send a key. */
export class Stream {
  readonly #listener: Listener;
  #abort: AbortController | undefined;
  #timer: number | undefined;
  #hiddenTimer: number | undefined;
  #failures = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
    document.addEventListener('visibilitychange', () => this.#visibility());
  }

  /** Connects now, whatever it was waiting for. */
  start(): void {
    this.#stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#listener.connection({ state: 'connecting' });
    void this.#follow(abort);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  #visibility(): void {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = window.setTimeout(() => {
        this.#stop();
        this.#listener.connection({ state: 'resting' });
      }, hiddenMs);
    } else if (!this.#abort) this.start();
  }

  async #follow(abort: AbortController): Promise<void> {
    try {
      const answer = await ask('data/fleet', { headers: { accept: 'text/event-stream' }, signal: abort.signal });
      if (answer.status === 401) {
        this.#abort = undefined;
        this.#listener.connection({ state: 'locked', why: await problemIn(answer) });
        return;
      }
      if (!answer.ok) throw new Error(await problemIn(answer));
      for await (const { name, data } of this.#events(answer.body!, abort)) {
        this.#failures = 0;
        this.#listener.event(JSON.parse(data) as FleetEvent, name === 'fleet');
        this.#listener.connection({ state: 'live' });
      }
      throw new Error('the gateway ended the connection');
    } catch (error) {
      if (this.#abort !== abort) return;
      abort.abort();
      const rest = Math.min(longestRestMs, firstRestMs * 2 ** this.#failures++);
      const why = error instanceof TypeError ? 'the gateway cannot be reached' : (error as Error).message;
      this.#listener.connection({ state: 'away', why, againAt: Date.now() + rest });
      this.#timer = window.setTimeout(() => this.start(), rest);
    }
  }

  async *#events(
    body: ReadableStream<Uint8Array>,
    abort: AbortController,
  ): AsyncGenerator<{ name: string; data: string }> {
    const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
    let rest = '';
    for (;;) {
      const silent = window.setTimeout(() => abort.abort(new Error('the gateway fell silent')), silenceMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(silent));
      if (done) return;
      const events = (rest + value).split('\n\n');
      rest = events.pop()!;
      for (const event of events) yield eventOf(event);
    }
  }
}

function eventOf(text: string): { name: string; data: string } {
  const field = (name: string) =>
    text
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? '';
  return { name: field('event'), data: field('data') };
}
