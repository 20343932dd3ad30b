import { el, set, write } from './dom.ts';
import { number, seconds } from './format.ts';
import { ask, problemIn } from './session.ts';

/** A line of the stream that Ollama answers with; only what is read here is named. */
interface Chunk {
  message?: { content?: string; thinking?: string };
  error?: string;
  done?: boolean;
  eval_count?: number;
  eval_duration?: number;
}

/** A prompt for a model, asked as any client asks it, and its answer as it comes. Nothing of it is kept. */
export class Playground {
  readonly element: HTMLElement;
  readonly #model: string;
  readonly #prompt = el('textarea', { id: 'prompt', rows: '3', required: true });
  readonly #limit = el('input', { id: 'limit', type: 'number', min: '1', max: '32768', value: '128' });
  readonly #send = el('button', { type: 'submit', class: 'primary' }, 'Send');
  readonly #stop = el('button', { type: 'button', disabled: true }, 'Stop');
  readonly #status = el('p', { class: 'found', role: 'status' });
  readonly #answer = el('div', {
    class: 'answer',
    tabindex: '0',
    role: 'region',
    'aria-label': 'Answer',
    hidden: true,
  });
  readonly #text = document.createTextNode('');
  /** What has come and is not shown yet. */
  #pending = '';
  #abort: AbortController | undefined;

  /** Of a model, by its key. */
  constructor(model: string) {
    this.#model = model;
    const limit = el('div', { class: 'limit' }, el('label', { for: 'limit' }, 'Tokens at most'), this.#limit);
    const buttons = el('div', { class: 'buttons' }, limit, this.#stop, this.#send);
    const form = el('form', {}, el('label', { for: 'prompt' }, 'Prompt'), this.#prompt, buttons);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#ask();
    });
    this.#prompt.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    this.#stop.addEventListener('click', () => this.#abort?.abort());
    this.#answer.append(this.#text);
    this.element = el('section', { class: 'playground' }, el('h2', {}, 'Try it'), form, this.#status, this.#answer);
  }

  /** Ends what is under way. */
  close(): void {
    this.#abort?.abort();
  }

  async #ask(): Promise<void> {
    if (this.#abort) return;
    const abort = new AbortController();
    this.#begin(abort);
    const began = performance.now();
    let first: number | undefined;
    let tokens = 0;
    const since = () => (performance.now() - began) / 1000;
    const tell = (word: string, count = tokens, rate = first === undefined ? 0 : count / (since() - first)) => {
      const start = first === undefined ? '' : ` The first after ${seconds(first)}, then ${number(rate)} a second.`;
      write(this.#status, `${word} ${count} tokens in ${seconds(since())}.${start}`);
    };
    try {
      const body = {
        model: this.#model,
        messages: [{ role: 'user', content: this.#prompt.value }],
        options: { num_predict: Math.max(1, Number(this.#limit.value) || 128) },
      };
      const options = { method: 'POST', body: JSON.stringify(body), signal: abort.signal };
      const answer = await ask('../api/chat', { ...options, headers: { 'content-type': 'application/json' } });
      if (!answer.ok) throw new Error(await problemIn(answer));
      for await (const chunk of chunksOf(answer.body!)) {
        if (chunk.error) throw new Error(chunk.error);
        const text = (chunk.message?.thinking ?? '') + (chunk.message?.content ?? '');
        if (text) {
          first ??= since();
          tokens++;
          this.#append(text);
        }
        if (chunk.done) {
          tokens = chunk.eval_count ?? tokens;
          const rate = chunk.eval_duration ? tokens / (chunk.eval_duration / 1e9) : undefined;
          tell('Done:', tokens, rate);
        }
      }
    } catch (error) {
      if (abort.signal.aborted) tell('Stopped:');
      else write(this.#status, `It did not answer: ${(error as Error).message}`);
    }
    this.#end();
  }

  #begin(abort: AbortController): void {
    this.#abort = abort;
    set(this.#send, { disabled: true });
    set(this.#stop, { disabled: false });
    set(this.#answer, { hidden: false, 'aria-busy': 'true' });
    this.#pending = '';
    this.#text.data = '';
    write(this.#status, 'Waiting for the first token …');
  }

  #end(): void {
    this.#flush();
    this.#abort = undefined;
    const hadFocus = document.activeElement === this.#stop;
    set(this.#send, { disabled: false });
    set(this.#stop, { disabled: true });
    set(this.#answer, { 'aria-busy': 'false' });
    if (hadFocus) this.#send.focus();
  }

  /** Shows what has come: once for each picture of the screen, since tokens may come faster than that. */
  #append(text: string): void {
    if (this.#pending === '') requestAnimationFrame(() => this.#flush());
    this.#pending += text;
  }

  #flush(): void {
    if (this.#pending === '') return;
    const { scrollTop, scrollHeight, clientHeight } = this.#answer;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 4;
    this.#text.appendData(this.#pending);
    this.#pending = '';
    if (isAtEnd) this.#answer.scrollTop = this.#answer.scrollHeight;
  }
}

/** The lines of JSON of an answer, as they come. */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = done ? '' : lines.pop()!;
    for (const line of lines) if (line.trim()) yield JSON.parse(line) as Chunk;
    if (done) return;
  }
}
