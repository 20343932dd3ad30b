import type { Dispatcher } from 'undici';
import { messageIn } from '../shared/errors.ts';
import { isRunnerOption } from './runner-options.ts';

/** A model that Ollama has loaded, as /api/ps lists it; only what is read here is named. */
export interface Loaded {
  name: string;
  /** Bytes that it takes in all, and of those the ones in GPUs. */
  size: number;
  size_vram: number;
  expires_at: string;
  context_length?: number;
  [more: string]: unknown;
}

/** What a process of Ollama's that runs a model is started from. */
export interface Origin {
  weights: string;
  variant: string;
}

/** How long Ollama may take for what needs no load, in ms. */
const patienceMs = 5000;

/** What the agent asks of its Ollama for itself. */
export class Ollama {
  readonly #dispatcher: () => Dispatcher;

  constructor(dispatcher: () => Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /**
   * Has a model loaded, to stay until it is told otherwise; rejects with why it is not. Ollama gives up the load when
   * the signal is aborted.
   */
  async load(model: string, signal: AbortSignal): Promise<void> {
    const body = { model, stream: false, keep_alive: -1 };
    try {
      await this.#post('/api/generate', body, signal);
    } catch (error) {
      if (!(error as Error).message.includes('does not support generate')) throw error;
      // A model that only embeds is loaded by asking it to embed nothing.
      await this.#post('/api/embed', body, signal);
    }
  }

  /** Has a model unloaded, when its last answer has ended; Ollama says so before it is done. */
  async unload(model: string, signal: AbortSignal): Promise<void> {
    // Models that only embed are unloaded like that too.
    await this.#post('/api/generate', { model, stream: false, keep_alive: 0 }, soon(signal));
  }

  /** The models that are loaded. While one is being loaded, Ollama may not answer. */
  async loaded(signal: AbortSignal): Promise<Loaded[]> {
    const answer = await this.#ask<{ models: Loaded[] | null }>({ method: 'GET', path: '/api/ps' }, soon(signal));
    return answer.models ?? [];
  }

  /**
   * What the process that runs a model is started from: its weights, and with them all that tells it from others that
   * have the same. Models made from one base have the same weights; Ollama runs them in one process unless their
   * parameters differ.
   */
  async origin(model: string, signal: AbortSignal): Promise<Origin> {
    const shown = await this.#post<{ modelfile?: string; parameters?: string }>('/api/show', { model }, soon(signal));
    const lines = (shown.modelfile ?? '').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    // They come first; what looks like one further down is part of a prompt.
    const end = lines.findIndex((line) => !/^(FROM|ADAPTER) /.test(line));
    const files = lines.slice(0, end < 0 ? lines.length : end);
    if (files.length === 0) throw new Error('Ollama does not say what the model is made from');
    const parameters = (shown.parameters ?? '').split('\n').filter((line) => isRunnerOption(line.split(' ', 1)[0]!));
    return { weights: files[0]!, variant: [...files, ...parameters.toSorted()].join('\n') };
  }

  #post<T>(path: string, body: object, signal: AbortSignal): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return this.#ask({ method: 'POST', path, headers, body: JSON.stringify(body) }, signal);
  }

  async #ask<T>(request: Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'headers' | 'body'>, signal: AbortSignal) {
    const { statusCode, body } = await this.#dispatcher().request({ ...request, signal });
    const text = await body.text();
    if (statusCode !== 200)
      throw new Error(`Ollama answered ${statusCode}: ${(messageIn(text) ?? text).slice(0, 500)}`);
    return JSON.parse(text) as T;
  }
}

const soon = (signal: AbortSignal) => AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
