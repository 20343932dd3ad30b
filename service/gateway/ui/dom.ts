import type { Kind } from './judge.ts';

type Attributes = Record<string, string | boolean | undefined>;
type Child = Node | string;

/** An element with attributes and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  set(element, attributes);
  element.append(...children);
  return element;
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  set(element, attributes);
  element.append(...children);
  return element;
}

/** Sets attributes, and takes away those that are undefined or false; touches none that stays as it is. */
export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    const text = value === true ? '' : value;
    if (text === undefined || text === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Gives an element a text, unless it has it already: what does not change is not read out again. */
export function write(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** What each kind looks like, apart from its colour. */
const shapes: Record<Kind, [name: 'path' | 'circle', attributes: Attributes]> = {
  bad: ['path', { d: 'M8 1 15 8 8 15 1 8Z' }],
  warn: ['path', { d: 'M8 1.5 15 14H1Z' }],
  progress: ['path', { d: 'M8 2a6 6 0 1 0 6 6h-2.5A3.5 3.5 0 1 1 8 4.5Z' }],
  unknown: ['path', { d: 'M2 6.5h12v3H2z' }],
  ok: ['circle', { cx: '8', cy: '8', r: '5.5' }],
  idle: ['circle', { cx: '8', cy: '8', r: '4.5', class: 'ring' }],
};

/** The shape of a kind. It says nothing to those who cannot see it: the word beside it does. */
export class Mark {
  readonly element = svg('svg', { viewBox: '0 0 16 16', class: 'mark', 'aria-hidden': 'true' });
  #kind: Kind | undefined;

  constructor(kind?: Kind) {
    if (kind) this.show(kind);
  }

  show(kind: Kind): void {
    if (kind === this.#kind) return;
    this.#kind = kind;
    set(this.element, { 'data-kind': kind });
    this.element.replaceChildren(svg(...shapes[kind]));
  }
}

/** Children by key, in an order: those that stay are the same elements, and are moved only if they have to be. */
export function arrange(parent: Element, children: readonly Element[]): void {
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  // Moving an element takes its focus away: while one has it, all stay where they are.
  const hasFocus = parent.contains(document.activeElement);
  children.forEach((child, index) => {
    const there = parent.children[index];
    if (there === child || (hasFocus && child.parentElement === parent)) return;
    parent.insertBefore(child, there ?? null);
  });
}
