import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { lastWords } from './errors.ts';
import { allowedResponseHeaders, type HeaderList } from './headers.ts';

/** A request on its way up. */
export interface Upward {
  dispatcher: Dispatcher;
  path: string;
  headers: HeaderList;
  /** A stream is passed on as it comes. */
  body: Buffer | Readable;
  timeoutMs: number;
  /** Headers for the answer, beside those from above. */
  answerHeaders: HeaderList;
  /** Whether an answer of this status is not for the client: the caller gets it, and can try elsewhere. */
  declines?: ((status: number) => boolean) | undefined;
  /** Told of what goes down, as it goes. */
  onStart?(status: number, headers: IncomingHttpHeaders): void;
  onData?(chunk: Buffer): void;
  /** Says an error of the one above within an answer whose first line has gone out already. */
  inStream?(status: number, body: Buffer): Buffer;
}

/** How passing on a request ended. */
export type Outcome =
  /** The whole answer went down. */
  | { kind: 'answered'; status: number }
  /** Nothing of the answer went down: it is one that `declines` speaks of. */
  | { kind: 'declined'; status: number; retryAfter: number | undefined; body: Buffer }
  /** Nothing of the answer went down: the caller can still send an error, or try elsewhere. */
  | { kind: 'failed'; why: 'unreachable' | 'timeout'; cause: Error }
  /** The answer was cut short, and the client's connection with it, so that the client sees an error and no end. */
  | { kind: 'cut'; why: 'broken' | 'timeout'; status: number; cause: Error }
  | { kind: 'left' };

const timedOut = new Error('the generation timeout has passed');
const clientLeft = new Error('the client left');

/** What a client is told within an answer that is cut. */
const cutMessages = {
  timeout: 'the answer took longer than it may',
  broken: 'the server broke off in the middle of the answer',
};

/** How long a client may take to take its last words, in ms. */
const farewellMs = 1000;

/** Ends an answer so that nobody takes it for whole: with last words where there are any, and never with a proper end. */
function cutOff(response: ServerResponse, words: string | undefined): void {
  if (words === undefined || response.destroyed) return void response.destroy();
  const timer = setTimeout(() => response.destroy(), farewellMs).unref();
  response.write(words, () => {
    clearTimeout(timer);
    response.destroy();
  });
}

/** Of an answer that is not passed on, no more than this is kept, in bytes. */
const keptBytes = 64 * 1024;

/**
 * Passes a request up and its answer down, byte for byte and as fast as the client takes it. When the client leaves, the
 * request above is cancelled at once. Never rejects.
 */
export function forward(response: ServerResponse, up: Upward): Promise<Outcome> {
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let stopped: Error | undefined;
    let status = 0;
    let retryAfter: number | undefined;
    let began = false;
    let kept: Buffer[] | undefined;
    let keptSize = 0;
    let declined = false;
    let type = '';
    let last: Buffer | undefined;

    const stop = (reason: Error) => {
      stopped ??= reason;
      controller?.abort(reason);
    };
    const timer = setTimeout(stop, up.timeoutMs, timedOut);
    const onClose = () => stop(clientLeft);
    const onDrain = () => controller?.resume();
    const end = (outcome: Outcome) => {
      clearTimeout(timer);
      response.off('close', onClose);
      response.off('drain', onDrain);
      resolve(outcome);
    };
    response.on('close', onClose);
    response.on('drain', onDrain);
    if (response.destroyed) stopped = clientLeft;

    const { dispatcher, path, headers, body } = up;
    dispatcher.dispatch(
      { method: 'POST', path, headers, body },
      {
        onRequestStart(given) {
          controller = given;
          if (stopped) given.abort(stopped);
        },
        onResponseStart(_controller, code, received) {
          if (code < 200) return;
          status = code;
          const answer = received as IncomingHttpHeaders;
          if (up.declines?.(code)) {
            declined = true;
            kept = [];
            const seconds = Number(answer['retry-after']);
            if (Number.isFinite(seconds)) retryAfter = seconds;
            return;
          }
          began = true;
          type = String(answer['content-type']);
          up.onStart?.(code, answer);
          if (response.headersSent) {
            if (code >= 400) kept = [];
            return;
          }
          const passed = allowedResponseHeaders(answer);
          passed.push(...up.answerHeaders);
          response.writeHead(code, passed);
          // A stream's client hears that its answer has begun, even if the first byte takes long.
          if (answer['content-length'] === undefined) response.flushHeaders();
        },
        onResponseData(given, chunk) {
          if (kept) {
            if (keptSize < keptBytes) kept.push(chunk);
            keptSize += chunk.length;
            return;
          }
          up.onData?.(chunk);
          last = chunk;
          if (!response.write(chunk)) given.pause();
        },
        onResponseEnd() {
          const all = kept && Buffer.concat(kept);
          if (declined) return end({ kind: 'declined', status, retryAfter, body: all! });
          response.end(all && up.inStream?.(status, all));
          end({ kind: 'answered', status });
        },
        onResponseError(_controller, error) {
          if (stopped === clientLeft) return end({ kind: 'left' });
          const cause = error ?? new Error('unknown');
          if (!began) return end({ kind: 'failed', why: stopped === timedOut ? 'timeout' : 'unreachable', cause });
          const why = stopped === timedOut ? 'timeout' : 'broken';
          end({ kind: 'cut', why, status, cause });
          cutOff(response, lastWords(type, last, cutMessages[why]));
        },
      },
    );
  });
}
