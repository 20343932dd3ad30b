import { el, set, svg, write } from './dom.ts';
import { clock } from './format.ts';

/** One line of a chart. */
export interface Line {
  name: string;
  values: readonly (number | null)[];
}

const width = 300;
const height = 64;
/** How much of the past is shown, in ms: all that there is, but no less than so much and no more than there can be. */
const leastMs = 600_000;
const mostMs = 3_600_000;

/** The times that are shown, in ms since 1970. */
export function spanOf(times: readonly number[]): { from: number; to: number } {
  const [first = Date.now(), to = Date.now()] = [times[0], times.at(-1)];
  return { from: to - Math.min(mostMs, Math.max(leastMs, to - first)), to };
}

const xOf = (time: number, { from, to }: { from: number; to: number }) => (width * (time - from)) / (to - from);

/** The points of a line, in pieces where something is missing; a point that is alone is as wide as its time. */
function runsOf(times: readonly number[], values: readonly (number | null)[], scale: number): string[][] {
  const span = spanOf(times);
  const runs: string[][] = [];
  let run: string[] | undefined;
  values.forEach((value, index) => {
    if (value === null) {
      run = undefined;
      return;
    }
    const y = (height - 1.5 - (value / scale) * (height - 4)).toFixed(1);
    const x = xOf(times[index]!, span);
    if (!run) {
      run = [`${(x - 0.8).toFixed(1)} ${y}`];
      runs.push(run);
    }
    run.push(`${x.toFixed(1)} ${y}`);
  });
  return runs;
}

const lineOf = (runs: string[][], index: number) =>
  svg('path', { d: runs.map((run) => `M${run.join('L')}`).join(''), class: `line n${index}` });

const areaOf = (runs: string[][]) => {
  const foot = (point: string) => `${point.split(' ')[0]} ${height}`;
  const area = runs.map((run) => `M${foot(run[0]!)}L${run.join('L')}L${foot(run.at(-1)!)}Z`);
  return svg('path', { d: area.join(''), class: 'area' });
};

/** The last hour of a series in few pixels, without any number. */
export function spark(times: readonly number[], values: readonly number[]): SVGElement {
  const runs = runsOf(times, values, Math.max(...values) || 1);
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none' }, areaOf(runs), lineOf(runs, 0));
}

/** The last hour of one or two series of the same unit: what they are now, at most, and at the time that is pointed to. */
export class Chart {
  readonly element: HTMLElement;
  readonly #format: (value: number) => string;
  readonly #value = el('output', { class: 'value' });
  readonly #top = el('span', { class: 'top' });
  readonly #from = el('span');
  readonly #svg = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
  readonly #cursor = svg('line', { class: 'cursor', y1: '0', y2: String(height), visibility: 'hidden' });
  readonly #title: string;
  #times: readonly number[] = [];
  #lines: Line[] = [];
  #pointed: number | undefined;

  constructor(title: string, format: (value: number) => string) {
    this.#title = title;
    this.#format = format;
    const caption = el('figcaption', {}, el('span', { class: 'title' }, title), this.#value);
    const scale = el('div', { class: 'scale', 'aria-hidden': 'true' }, this.#from, el('span', {}, 'now'));
    this.element = el('figure', { class: 'chart' }, caption, el('div', { class: 'plot' }, this.#svg, this.#top), scale);
    this.#svg.addEventListener('pointermove', (event) => this.#point(event));
    this.#svg.addEventListener('pointerleave', () => this.#point());
  }

  /** `times` are in ms since 1970, the newest last. */
  show(times: readonly number[], lines: Line[]): void {
    this.#times = times;
    this.#lines = lines;
    const most = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
    const scale = most || 1;
    const shapes = lines.flatMap(({ values }, index) => {
      const runs = runsOf(times, values, scale);
      return index === 0 ? [areaOf(runs), lineOf(runs, 0)] : [lineOf(runs, index)];
    });
    this.#svg.replaceChildren(...shapes, this.#cursor);
    write(this.#top, most > 0 ? this.#format(most) : '');
    write(this.#from, clock(spanOf(times).from, false));
    const summary = lines.map(({ name, values }) => `${name} now ${this.#said(values.at(-1))}`).join(', ');
    set(this.#svg, {
      'aria-label': `${this.#title} since ${clock(spanOf(times).from, false)}: ${summary}, at most ${this.#format(most)}`,
    });
    this.#tell();
  }

  #point(event?: PointerEvent): void {
    this.#pointed = undefined;
    if (event && this.#times.length > 0) {
      const box = this.#svg.getBoundingClientRect();
      const { from, to } = spanOf(this.#times);
      const time = from + ((to - from) * (event.clientX - box.left)) / box.width;
      const distance = (at: number) => Math.abs(at - time);
      const nearest = this.#times.reduce((best, at) => (distance(at) < distance(best) ? at : best));
      this.#pointed = this.#times.indexOf(nearest);
    }
    this.#tell();
  }

  #tell(): void {
    const at = this.#pointed;
    const value = (values: readonly (number | null)[]) => this.#said(at === undefined ? values.at(-1) : values[at]);
    const many = this.#lines.length > 1;
    const words = this.#lines.map(({ name, values }) => (many ? `${name} ${value(values)}` : value(values)));
    write(this.#value, at === undefined ? words.join('  ') : `${words.join('  ')} at ${clock(this.#times[at]!)}`);
    const x = at === undefined ? '0' : xOf(this.#times[at]!, spanOf(this.#times)).toFixed(1);
    set(this.#cursor, { x1: x, x2: x, visibility: at === undefined ? 'hidden' : 'visible' });
  }

  #said(value: number | null | undefined): string {
    return value === null || value === undefined ? '–' : this.#format(value);
  }
}
