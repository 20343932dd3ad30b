import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { allowedResponseHeaders, type Headers } from './headers.ts';

/** A request on its way up. */
export interface Upward {
  dispatcher: Dispatcher;
  path: string;
  headers: Headers;
  /** A stream is passed on as it comes. */
  body: Buffer | Readable;
  timeoutMs: number;
  /** Headers for the answer, beside those from above. */
  answerHeaders: Headers;
}

/** How passing on a request ended. */
export type Outcome =
  /** The whole answer went down. */
  | { kind: 'answered'; status: number }
  /** Nothing went down yet: the caller can still send an error, or try elsewhere. */
  | { kind: 'failed'; why: 'unreachable' | 'timeout'; cause: Error }
  /** The answer was cut short, and the client's connection with it, so that the client sees an error and no end. */
  | { kind: 'cut'; why: 'broken' | 'timeout'; status: number; cause: Error }
  | { kind: 'left' };

const timedOut = new Error('the generation timeout has passed');
const clientLeft = new Error('the client left');

/**
 * Passes a request up and its answer down, byte for byte and as fast as the client takes it. When the client leaves, the
 * request above is cancelled at once. Never rejects.
 */
export function forward(response: ServerResponse, up: Upward): Promise<Outcome> {
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let stopped: Error | undefined;
    let status = 0;

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
          const passed = allowedResponseHeaders(received as IncomingHttpHeaders);
          response.writeHead(code, { ...passed, ...up.answerHeaders });
          // A stream's client hears that its answer has begun, even if the first byte takes long.
          if (passed['content-length'] === undefined) response.flushHeaders();
        },
        onResponseData(given, chunk) {
          if (!response.write(chunk)) given.pause();
        },
        onResponseEnd() {
          response.end();
          end({ kind: 'answered', status });
        },
        onResponseError(_controller, error) {
          if (stopped === clientLeft) return end({ kind: 'left' });
          const cause = error ?? new Error('unknown');
          if (!response.headersSent) {
            return end({ kind: 'failed', why: stopped === timedOut ? 'timeout' : 'unreachable', cause });
          }
          end({ kind: 'cut', why: stopped === timedOut ? 'timeout' : 'broken', status, cause });
          response.destroy();
        },
      },
    );
  });
}
