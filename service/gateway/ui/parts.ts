import type { PodView } from '../status/view.ts';
import { el, Mark, set, write } from './dom.ts';
import { progressOf, type Trouble, type Verdict } from './judge.ts';

/** A verdict as a shape and a word. */
export class Badge {
  readonly element: HTMLElement;
  readonly #mark = new Mark();
  readonly #word = el('span');

  constructor() {
    this.element = el('span', { class: 'badge' }, this.#mark.element, this.#word);
  }

  show({ kind, word }: Verdict): void {
    set(this.element, { 'data-kind': kind });
    this.#mark.show(kind);
    write(this.#word, word);
  }
}

/** How far a download is, as a bar and in words; nothing where there is none. */
export class Progress {
  readonly element: HTMLElement;
  readonly #bar = el('progress', { 'aria-label': 'Downloaded' });
  readonly #words = el('span');

  constructor() {
    this.element = el('div', { class: 'progress', hidden: true }, this.#bar, this.#words);
  }

  /** `what` is put before the words. */
  show(pod: PodView | undefined, what = ''): void {
    const progress = pod ? progressOf(pod) : '';
    const words = what && progress ? `${what}: ${progress}` : progress;
    set(this.element, { hidden: words === '' });
    const { bytes = 0, totalBytes = 0 } = pod?.download ?? {};
    this.#bar.max = totalBytes || 1;
    // Without a value it shows that nothing is known.
    if (totalBytes > 0) this.#bar.value = bytes;
    else this.#bar.removeAttribute('value');
    write(this.#words, words);
  }
}

/** A list of what is wrong, which is not there where nothing is. */
export class Troubles {
  readonly element: HTMLElement;
  readonly #list = el('ul');
  readonly #most: number;
  #shown = '';

  /** Shows so many at most. */
  constructor(most = 8) {
    this.#most = most;
    const heading = el('h2', { id: 'troubles' }, 'What is wrong');
    this.element = el(
      'section',
      { class: 'troubles', 'aria-labelledby': 'troubles', hidden: true },
      heading,
      this.#list,
    );
  }

  show(troubles: readonly Trouble[], hrefOf?: (trouble: Trouble) => string | undefined): void {
    set(this.element, { hidden: troubles.length === 0 });
    const text = JSON.stringify(troubles);
    if (text === this.#shown) return;
    this.#shown = text;
    const items = troubles.slice(0, this.#most).map((trouble) => {
      const href = hrefOf?.(trouble);
      const what = href ? el('a', { href }, trouble.what) : el('span', {}, trouble.what);
      const look = trouble.look ? [el('code', {}, trouble.look)] : [];
      const kind = el('span', { class: 'hidden' }, trouble.kind === 'bad' ? 'Serious: ' : 'Warning: ');
      const words = el('span', { class: 'words' }, kind, what, ...look);
      return el('li', { 'data-kind': trouble.kind }, new Mark(trouble.kind).element, words);
    });
    const left = troubles.length - items.length;
    if (left > 0) items.push(el('li', {}, `and ${left} more`));
    this.#list.replaceChildren(...items);
  }
}
