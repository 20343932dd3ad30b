import type { HistoryView } from '../status/view.ts';
import { spark } from './chart.ts';
import { arrange, el, Mark, set, write } from './dom.ts';
import { costOf, type Fleet, type Judged } from './fleet.ts';
import { bytes, count, dollars, none, number, seconds } from './format.ts';
import { type Kind, readyPods, type Trouble } from './judge.ts';
import { Badge, Progress, Troubles } from './parts.ts';

/** Rows that are there at first: more of them make a phone slow, and those in trouble come first. */
const rowsAtFirst = 100;

export const hrefOf = (key: string): string => `#/models/${encodeURIComponent(key)}`;

/** One number of the fleet. */
class Tile {
  readonly element: HTMLElement;
  readonly #value = el('dd', { class: 'number' });
  readonly #more = el('dd', { class: 'more' });
  readonly #spark = el('dd', { class: 'spark', 'aria-hidden': 'true' });

  constructor(label: string) {
    this.element = el('div', { class: 'tile' }, el('dt', {}, label), this.#value, this.#more, this.#spark);
  }

  show(value: string, more: string, kind?: Kind): void {
    write(this.#value, value);
    write(this.#more, more);
    set(this.element, { 'data-kind': kind });
  }

  draw(times: readonly number[], values: readonly number[]): void {
    this.#spark.replaceChildren(spark(times, values));
  }
}

const columns = ['Model', 'State', 'Requests/s', 'p50 / p95', 'In flight', 'Waiting', 'Pods', 'Memory', 'Cost'];

class Row {
  readonly element = el('tr', { role: 'row' });
  readonly #link = el('a', { class: 'name' });
  readonly #server = el('span', { class: 'server' });
  readonly #badge = new Badge();
  readonly #progress = new Progress();
  readonly #cells: HTMLElement[];

  constructor(key: string) {
    this.#link.href = hrefOf(key);
    write(this.#link, key);
    const head = el('th', { scope: 'row', role: 'rowheader' }, this.#link, this.#server);
    const state = el('td', { role: 'cell', class: 'state' }, this.#badge.element, this.#progress.element);
    this.#cells = columns.slice(2).map((label) => el('td', { role: 'cell', 'data-label': label }));
    this.element.append(head, state, ...this.#cells);
  }

  show({ model, server, verdict }: Judged, isShared: boolean): void {
    write(this.#server, model.server);
    this.#badge.show(verdict);
    set(this.element, { 'data-kind': verdict.kind });
    const pods = server?.pods;
    // Of the pods that download this model, one.
    const arriving = pods?.find(({ download }) => download?.model === model.key);
    this.#progress.show(verdict.kind === 'ok' ? undefined : arriving);
    const { rates, now } = model;
    const held = model.pods.reduce((sum, { ram, vram }) => sum + ram + vram, 0);
    const cost = server && costOf(server);
    const range = server?.max === undefined || server.min === server.max ? '' : ` (${server.min}–${server.max})`;
    const values = [
      number(rates.requests),
      rates.p95 === undefined ? none : `${seconds(rates.p50)} / ${seconds(rates.p95)}`,
      number(now.inFlight),
      now.waiting === 0 ? '0' : `${number(now.waiting)} for ${seconds(now.oldest)}`,
      pods ? `${readyPods(server!).length} of ${pods.length}${range}` : none,
      held > 0 ? bytes(held) : none,
      cost === undefined ? none : `${dollars(cost)}/h${isShared ? ' shared' : ''}`,
    ];
    for (const [index, cell] of this.#cells.entries()) write(cell, values[index]!);
  }
}

const filters: { name: string; takes(kind: Kind): boolean }[] = [
  { name: 'All', takes: () => true },
  { name: 'Need a look', takes: (kind) => kind === 'bad' || kind === 'warn' },
  { name: 'On the way', takes: (kind) => kind === 'progress' || kind === 'unknown' },
  { name: 'Well', takes: (kind) => kind === 'ok' || kind === 'idle' },
];

/** Is it well? Where is the pain? What does it cost? And every model, those in trouble first. */
export class Overview {
  readonly element: HTMLElement;
  readonly title = 'Models';
  readonly #fleet: Fleet;
  readonly #mark = new Mark();
  readonly #verdict = el('span');
  readonly #summary = el('p', { class: 'summary' });
  readonly #troubles = new Troubles();
  readonly #tiles = {
    requests: new Tile('Requests a second'),
    latency: new Tile('Answers take, p95'),
    inFlight: new Tile('In flight'),
    waiting: new Tile('Waiting'),
    tokens: new Tile('Tokens a second'),
    memory: new Tile('Models in memory'),
    cost: new Tile('Cost an hour'),
  };
  readonly #numbers: HTMLElement;
  readonly #list: HTMLElement;
  readonly #filter = el('input', {
    type: 'search',
    id: 'filter',
    placeholder: 'Name, server or alias',
    autocomplete: 'off',
  });
  readonly #chips: HTMLButtonElement[];
  readonly #found = el('p', { class: 'found', role: 'status' });
  readonly #body = el('tbody', { role: 'rowgroup' });
  readonly #more = el('button', { type: 'button', class: 'more-rows', hidden: true });
  readonly #rows = new Map<string, Row>();
  #chosen = filters[0]!;
  #showsAll = false;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#chips = filters.map((filter) => {
      const chip = el('button', { type: 'button', class: 'chip' });
      chip.addEventListener('click', () => {
        this.#chosen = filter;
        this.update();
      });
      return chip;
    });
    this.#filter.addEventListener('input', () => this.update());
    this.#more.addEventListener('click', () => {
      this.#showsAll = true;
      this.update();
    });
    const heading = el('h1', { tabindex: '-1', class: 'verdict' }, this.#mark.element, this.#verdict);
    this.#numbers = el('dl', { class: 'tiles' }, ...Object.values(this.#tiles).map(({ element }) => element));
    const heads = columns.map((label) => el('th', { scope: 'col', role: 'columnheader' }, label));
    const head = el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads));
    const table = el('table', { role: 'table', 'aria-labelledby': 'models' }, head, this.#body);
    const search = el('div', { class: 'search' }, el('label', { for: 'filter' }, 'Find'), this.#filter);
    const chips = el('div', { class: 'chips', role: 'group', 'aria-label': 'Which models' }, ...this.#chips);
    const tools = el('div', { class: 'tools' }, search, chips, this.#found);
    this.#list = el('section', { class: 'models' }, el('h2', { id: 'models' }, 'Models'), tools, table, this.#more);
    const intro = el('section', { class: 'intro' }, heading, this.#summary);
    this.element = el('div', { class: 'overview' }, intro, this.#troubles.element, this.#numbers, this.#list);
  }

  update(): void {
    for (const part of [this.#numbers, this.#list]) set(part, { hidden: this.#fleet.models.length === 0 });
    this.#updateVerdict();
    this.#updateTiles();
    this.#troubles.show(this.#fleet.troubles, ({ models: [first, ...rest] }: Trouble) =>
      first !== undefined && rest.length === 0 ? hrefOf(first) : undefined,
    );
    this.#updateRows();
  }

  draw({ times, requests, inFlight, waiting, tokens }: HistoryView): void {
    this.#tiles.requests.draw(times, requests);
    this.#tiles.inFlight.draw(times, inFlight);
    this.#tiles.waiting.draw(times, waiting);
    this.#tiles.tokens.draw(times, tokens);
  }

  #updateVerdict(): void {
    const { counts, models, pods } = this.#fleet;
    const servers = this.#fleet.servers.length;
    const more = counts.warn > 0 ? `, ${counts.warn} more ${counts.warn === 1 ? 'needs' : 'need'} a look` : '';
    const [kind, words]: [Kind, string] =
      models.length === 0
        ? ['unknown', 'There are no models']
        : counts.bad > 0
          ? ['bad', `${count(counts.bad, 'model')} ${counts.bad === 1 ? 'is' : 'are'} in trouble${more}`]
          : counts.warn > 0
            ? ['warn', `${count(counts.warn, 'model')} ${counts.warn === 1 ? 'needs' : 'need'} a look`]
            : counts.progress > 0
              ? ['progress', `${count(counts.progress, 'model')} ${counts.progress === 1 ? 'is' : 'are'} on the way`]
              : counts.unknown > 0
                ? ['unknown', 'The cluster has not told of its pods yet']
                : ['ok', 'All is well'];
    this.#mark.show(kind);
    write(this.#verdict, words);
    const summary = `${count(models.length, 'model')} on ${count(servers, 'server')}, ${pods.ready} of ${count(pods.all, 'pod')} ready`;
    write(
      this.#summary,
      models.length === 0 ? 'Enable a server under `servers` in the values of the release.' : summary,
    );
  }

  #updateTiles(): void {
    const { totals, models, servers, costPerHour, unpriced } = this.#fleet;
    if (!totals) return;
    const { rates, now } = totals;
    const failing = (rates.errors ?? 0) + (rates.refused ?? 0);
    const share = failing / ((rates.requests ?? 0) || 1);
    this.#tiles.requests.show(
      number(rates.requests),
      failing > 0 ? `${number(failing)} of them failed or refused` : 'in the last minute',
      share >= 0.02 ? 'warn' : undefined,
    );
    this.#tiles.latency.show(
      seconds(rates.p95),
      rates.p50 === undefined ? 'none in five minutes' : `p50 ${seconds(rates.p50)}`,
    );
    this.#tiles.inFlight.show(number(now.inFlight), 'with the replicas now');
    const oldest = Math.max(0, ...models.map(({ model }) => model.now.oldest));
    const recent = rates.waitP95 === undefined ? 'nobody in five minutes' : `p95 ${seconds(rates.waitP95)}`;
    const wait = now.waiting > 0 ? `the first for ${seconds(oldest)}` : recent;
    this.#tiles.waiting.show(number(now.waiting), wait, oldest >= 30 ? 'bad' : oldest >= 10 ? 'warn' : undefined);
    this.#tiles.tokens.show(number(rates.tokens), 'written');
    const all = servers.flatMap(({ pods = [] }) => pods);
    const held = all.reduce((sum, { ram, vram }) => sum + ram + vram, 0);
    const vram = all.reduce((sum, pod) => sum + pod.vram, 0);
    const room = all.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
    const where = vram > 0 ? `, ${bytes(vram)} in GPUs` : '';
    this.#tiles.memory.show(bytes(held), `${room > 0 ? `of ${bytes(room)}` : 'of the pods'}${where}`);
    set(this.#tiles.cost.element, { hidden: costPerHour === undefined });
    if (costPerHour === undefined) return;
    const month = `${dollars(costPerHour * 730)} a month`;
    this.#tiles.cost.show(dollars(costPerHour), unpriced > 0 ? `without ${count(unpriced, 'server')}` : month);
  }

  #updateRows(): void {
    const { models, counts } = this.#fleet;
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matching = models.filter(({ model, verdict }) => {
      const text = [model.key, model.name, model.server, verdict.word, ...model.aliases].join(' ').toLowerCase();
      return this.#chosen.takes(verdict.kind) && words.every((word) => text.includes(word));
    });
    this.#chips.forEach((chip, index) => {
      const filter = filters[index]!;
      const kinds = (Object.keys(counts) as Kind[]).filter((kind) => filter.takes(kind));
      const total = kinds.reduce((sum, kind) => sum + counts[kind], 0);
      write(chip, `${filter.name} ${total.toLocaleString('en')}`);
      set(chip, { 'aria-pressed': String(filter === this.#chosen) });
    });
    write(this.#found, this.#foundWords(matching.length, models.length));
    const shared = Map.groupBy(models, ({ model }) => model.server);
    const shown = this.#showsAll ? matching : matching.slice(0, rowsAtFirst);
    const elements = shown.map((judged) => {
      const { key, server } = judged.model;
      let row = this.#rows.get(key);
      if (!row) {
        row = new Row(key);
        this.#rows.set(key, row);
      }
      row.show(judged, shared.get(server)!.length > 1);
      return row.element;
    });
    arrange(this.#body, elements);
    set(this.#more, { hidden: shown.length === matching.length });
    write(this.#more, `Show ${count(matching.length - shown.length, 'more model')}`);
  }

  #foundWords(matching: number, all: number): string {
    if (all === 0 || matching === all) return '';
    if (matching > 0) return `${matching.toLocaleString('en')} of ${count(all, 'model')}`;
    return this.#chosen === filters[1] && this.#filter.value === '' ? 'No model needs a look.' : 'No model matches.';
  }
}
