import type { HistoryView, ModelInPod, PodView, ServerView } from '../status/view.ts';
import { Chart, spanOf } from './chart.ts';
import { arrange, el, set, write } from './dom.ts';
import { costOf, type Fleet } from './fleet.ts';
import { bytes, count, dollars, none, number, seconds } from './format.ts';
import { ofPod } from './judge.ts';
import { Badge, Progress, Troubles } from './parts.ts';
import { Playground } from './playground.ts';

const columns = ['Pod', 'State', 'Model', 'Ollama', 'In flight', 'Memory'];

class PodRow {
  readonly element = el('tr', { role: 'row' });
  readonly #model: string;
  readonly #badge = new Badge();
  readonly #progress = new Progress();
  readonly #problem = el('span', { class: 'problem' });
  readonly #cells: HTMLElement[];

  /** Of a pod, on the page of a model. */
  constructor(name: string, model: string) {
    this.#model = model;
    const head = el('th', { scope: 'row', role: 'rowheader', class: 'pod' }, name);
    const state = el(
      'td',
      { role: 'cell', class: 'state' },
      this.#badge.element,
      this.#progress.element,
      this.#problem,
    );
    this.#cells = columns.slice(2).map((label) => el('td', { role: 'cell', 'data-label': label }));
    this.element.append(head, state, ...this.#cells);
  }

  show(pod: PodView, model: ModelInPod | undefined): void {
    const verdict = ofPod(pod);
    this.#badge.show(verdict);
    set(this.element, { 'data-kind': verdict.kind });
    this.#progress.show(pod, pod.download?.model === this.#model ? '' : pod.download?.model);
    // While it is brought, that Ollama is not there yet is no news.
    const said = pod.download ? pod.download.error : pod.state === 'draining' ? '' : pod.problem;
    write(this.#problem, said);
    const values = [
      model?.state ?? none,
      pod.ollama ?? none,
      model ? `${model.inFlight} of ${model.slots}` : none,
      heldBy(model),
    ];
    for (const [index, cell] of this.#cells.entries()) write(cell, values[index]!);
  }
}

/** What a model takes in a pod, and where. */
function heldBy(model: ModelInPod | undefined): string {
  if (!model || model.ram + model.vram === 0) return none;
  if (model.vram === 0) return bytes(model.ram);
  return model.ram === 0 ? `${bytes(model.vram)} in GPUs` : `${bytes(model.vram)} in GPUs, ${bytes(model.ram)} not`;
}

/** One model: its last hour, its pods, and a place to try it. */
export class ModelPage {
  readonly element: HTMLElement;
  readonly title: string;
  readonly key: string;
  readonly #fleet: Fleet;
  readonly #badge = new Badge();
  readonly #facts = el('p', { class: 'summary' });
  readonly #troubles = new Troubles();
  readonly #charts = {
    requests: new Chart('Requests a second', number),
    latency: new Chart('Answers take', seconds),
    waiting: new Chart('Waiting', number),
    inFlight: new Chart('In flight', number),
    tokens: new Chart('Tokens a second', number),
    failed: new Chart('Not answered, a second', number),
  };
  readonly #past = el('h2', {}, 'Lately');
  readonly #body = el('tbody', { role: 'rowgroup' });
  readonly #noPods = el('p', { class: 'empty' });
  readonly #table: HTMLElement;
  readonly #podsNote = el('p', { class: 'note' });
  readonly #rows = new Map<string, PodRow>();
  readonly #playground: Playground;
  readonly #parts: HTMLElement;
  readonly #unknown: HTMLElement;

  constructor(fleet: Fleet, key: string) {
    this.#fleet = fleet;
    this.key = key;
    this.title = key;
    this.#playground = new Playground(key);
    const heading = el('h1', { tabindex: '-1' }, key);
    const back = el('a', { class: 'back', href: '#/' }, '← All models');
    const intro = el(
      'section',
      { class: 'intro' },
      back,
      el('div', { class: 'headline' }, heading, this.#badge.element),
      this.#facts,
    );
    const charts = el('div', { class: 'charts' }, ...Object.values(this.#charts).map(({ element }) => element));
    const hour = el('section', {}, this.#past, charts);
    const heads = columns.map((label) => el('th', { scope: 'col', role: 'columnheader' }, label));
    const head = el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads));
    this.#table = el('table', { role: 'table', class: 'pods', 'aria-labelledby': 'pods' }, head, this.#body);
    const pods = el('section', {}, el('h2', { id: 'pods' }, 'Pods'), this.#podsNote, this.#table, this.#noPods);
    this.#parts = el('div', {}, this.#troubles.element, hour, pods, this.#playground.element);
    this.#unknown = el('p', { class: 'empty', hidden: true }, 'There is no such model, or your key may not ask it.');
    this.element = el('div', { class: 'model' }, intro, this.#unknown, this.#parts);
  }

  update(): void {
    const judged = this.#fleet.find(this.key);
    set(this.#unknown, { hidden: judged !== undefined });
    set(this.#parts, { hidden: judged === undefined });
    set(this.#badge.element, { hidden: judged === undefined });
    if (!judged) return;
    const { model, server, verdict, troubles } = judged;
    this.#badge.show(verdict);
    this.#troubles.show(troubles);
    const facts = [
      `${model.name} on ${model.server}`,
      ...(model.aliases.length > 0 ? [`also called ${model.aliases.join(', ')}`] : []),
      ...(model.fallbacks.length > 0 ? [`${model.fallbacks.join(', ')} answers in its place`] : []),
      ...(model.canary ? [`${model.canary.model} on trial: ${model.canary.percent} % of the conversations`] : []),
    ];
    write(this.#facts, facts.join(' · '));
    const pods = server?.pods;
    const cost = server && costOf(server);
    const note = [
      ...(server?.max !== undefined
        ? [server.min === server.max ? count(server.min!, 'pod') : `${server.min} to ${count(server.max, 'pod')}`]
        : []),
      ...(server?.scheduled !== undefined ? [`at least ${server.scheduled} at this time of the week`] : []),
      ...(server?.forecast ? [inWords(server.forecast)] : []),
      ...(cost !== undefined && server?.costPerHour
        ? [`${dollars(cost)} an hour, ${dollars(server.costPerHour)} each`]
        : []),
      `at most ${count(model.depth, 'request')} wait in each gateway`,
    ];
    write(this.#podsNote, note.join(' · '));
    set(this.#table, { hidden: !pods || pods.length === 0 });
    set(this.#noPods, { hidden: pods !== undefined && pods.length > 0 });
    write(this.#noPods, pods ? 'It has no pod at the moment.' : 'The cluster has not told of its pods yet.');
    const elements = (pods ?? []).map((pod) => {
      let row = this.#rows.get(pod.name);
      if (!row) {
        row = new PodRow(pod.name, this.key);
        this.#rows.set(pod.name, row);
      }
      row.show(
        pod,
        model.pods.find((inPod) => inPod.pod === pod.name),
      );
      return row.element;
    });
    arrange(this.#body, elements);
  }

  draw({ times, requests, errors, refused, tokens, inFlight, waiting, p50 = [], p95 = [] }: HistoryView): void {
    const { from, to } = spanOf(times);
    write(this.#past, `The last ${seconds((to - from) / 1000)}`);
    this.#charts.requests.show(times, [{ name: 'requests', values: requests }]);
    this.#charts.latency.show(times, [
      { name: 'p95', values: p95 },
      { name: 'p50', values: p50 },
    ]);
    this.#charts.waiting.show(times, [{ name: 'waiting', values: waiting }]);
    this.#charts.inFlight.show(times, [{ name: 'in flight', values: inFlight }]);
    this.#charts.tokens.show(times, [{ name: 'tokens', values: tokens }]);
    this.#charts.failed.show(times, [
      { name: 'failed', values: errors },
      { name: 'refused', values: refused },
    ]);
  }

  close(): void {
    this.#playground.close();
  }
}

/** What is forecast of a server. */
function inWords(forecast: NonNullable<ServerView['forecast']>): string {
  if ('silent' in forecast) return `nothing is forecast: ${forecast.silent}`;
  return `${count(forecast.replicas, 'pod')} forecast for ${count(forecast.minutes, 'minute')} from now`;
}
