import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Tracing as Settings } from '../../schema/types.ts';
import type { Logger } from './logging.ts';
import type { Recorder, RequestTrace, Source } from './spans.ts';

const off: Settings = { endpoint: '', sampleRatio: 0 };

/** One complaint about the collector in this time, in ms. */
const complaintsMs = 60_000;

/** Longest time for sending what is left at the end, in ms. */
const closingMs = 2000;

/**
 * The traces of this process. Off until it is told of a collector: then nothing of OpenTelemetry is loaded, and a request
 * costs a look at whether it is on.
 */
export class Tracing {
  #recorder: Recorder | undefined;
  #settings: Settings = off;
  #complainedAt = -Infinity;

  /** Begins the trace of a request that came on a route; undefined while tracing is off. */
  begin(route: string, requestId: string, headers: IncomingHttpHeaders): RequestTrace | undefined {
    return this.#recorder?.begin(route, requestId, headers);
  }

  /**
   * Goes on with other settings; requests in hand end under the old ones. Never rejects: a process without traces serves
   * better than none.
   */
  async configure(source: Source, log: Logger, settings: Settings = off): Promise<void> {
    if (isDeepStrictEqual(settings, this.#settings)) return;
    const wasOn = this.#recorder !== undefined;
    this.#settings = settings;
    this.#recorder = undefined;
    const { endpoint, sampleRatio } = settings;
    if (endpoint === '') {
      if (wasOn) log.info('tracing is off');
      return;
    }
    try {
      const { Recorder } = await import('./spans.ts');
      // Another configuration may have come meanwhile.
      if (this.#settings !== settings) return;
      this.#recorder = new Recorder(settings, source, (problem) => this.#complain(log, problem));
      log.info({ endpoint, sampleRatio }, 'tracing is on');
    } catch (error) {
      log.error({ problem: (error as Error).message, path: 'tracing.endpoint' }, 'tracing stays off');
    }
  }

  /** Sends what is left, as far as there is time; no trace is begun after it. */
  async close(): Promise<void> {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = undefined;
    await Promise.race([recorder.close(), sleep(closingMs, undefined, { ref: false })]);
  }

  #complain(log: Logger, problem: string): void {
    const now = performance.now();
    if (now - this.#complainedAt < complaintsMs) return;
    this.#complainedAt = now;
    log.warn({ problem }, 'traces do not reach the collector');
  }
}

/** The one of this process, as what it writes to is one for all. */
export const tracing = new Tracing();
