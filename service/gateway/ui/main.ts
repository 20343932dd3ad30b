import type { HistoryView } from '../status/view.ts';
import { el, set, write } from './dom.ts';
import { Fleet } from './fleet.ts';
import { clock, count } from './format.ts';
import { ModelPage } from './model-page.ts';
import { Overview } from './overview.ts';
import { ask, key, setKey } from './session.ts';
import { type Connection, Stream } from './stream.ts';

/** How often the past is asked for, in ms: as often as there is more of it. */
const historyMs = 10_000;

const hourMs = 3_600_000;

const byId = (id: string) => document.getElementById(id)!;
const [main, banner, footer, status] = [byId('main'), byId('banner'), byId('footer'), byId('connection')];
const forget = byId('forget');

const fleet = new Fleet();
const overview = new Overview(fleet);
let view: Overview | ModelPage | undefined;
let connection: Connection = { state: 'connecting' };

const stream = new Stream({
  event: (event, isWhole) => {
    const isFirst = !fleet.head;
    fleet.take(event, isWhole);
    if (isFirst || !view) show();
    view?.update();
    tellFooter();
  },
  connection: (now) => {
    const before = connection.state;
    connection = now;
    tellConnection();
    if (now.state === 'locked') askForKey(now.why);
    if (now.state === 'live' && before !== 'live') void drawHistory();
  },
});

/** Shows what the address names. */
function show(): void {
  if (!fleet.head || connection.state === 'locked') return;
  const named = /^#\/models\/(.+)$/.exec(location.hash)?.[1];
  const wanted = named === undefined ? undefined : decoded(named);
  const isSame = wanted === undefined ? view === overview : view instanceof ModelPage && view.key === wanted;
  if (isSame) return;
  const isFirst = !view;
  if (view instanceof ModelPage) view.close();
  view = wanted === undefined ? overview : new ModelPage(fleet, wanted);
  view.update();
  main.replaceChildren(view.element);
  document.title = wanted === undefined ? 'Models' : `${wanted} · Models`;
  // Who goes to another view begins at its top; who comes to the page, at the page's.
  if (!isFirst) {
    main.querySelector('h1')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  void drawHistory();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function drawHistory(): Promise<void> {
  const drawn = view;
  if (!drawn || connection.state !== 'live' || document.hidden) return;
  const path =
    drawn instanceof ModelPage
      ? `data/history/${drawn.key.split('/').map(encodeURIComponent).join('/')}`
      : 'data/history';
  const answer = await ask(path).catch(() => undefined);
  if (answer?.ok && drawn === view) drawn.draw((await answer.json()) as HistoryView);
}

function tellConnection(): void {
  const { state } = connection;
  const words = {
    connecting: 'Connecting …',
    live: 'Live',
    away: 'Disconnected',
    locked: 'Locked',
    resting: 'Resting',
  };
  set(status, { 'data-state': state });
  write(status, words[state]);
  set(document.body, { 'data-stale': state === 'away' || (state === 'connecting' && banner.childElementCount > 0) });
  set(forget, { hidden: key() === '' || state === 'locked' });
  if (state === 'live' || state === 'locked' || state === 'resting') banner.replaceChildren();
  if (state !== 'away') return;
  const { why, againAt } = connection;
  const what = fleet.head ? ` What is below is how it was at ${clock(fleet.head.at)}.` : '';
  const again = el('button', { type: 'button' }, 'Try now');
  again.addEventListener('click', () => stream.start());
  const text = `${why[0]!.toUpperCase()}${why.slice(1)}.${what} Trying again at ${clock(againAt)}.`;
  banner.replaceChildren(el('p', {}, text), again);
  if (!fleet.head) main.replaceChildren(el('p', { class: 'empty' }, 'Nothing is known of the fleet yet.'));
}

const gatewaysOf: Record<number, string> = { 1: 'the one gateway', 2: 'both gateways' };

function tellFooter(): void {
  const { gateways, since, at } = fleet.head!;
  const heard =
    gateways.answering < gateways.known
      ? `${gateways.answering} of ${count(gateways.known, 'gateway')} answer: the numbers are theirs`
      : `Requests of ${gatewaysOf[gateways.known] ?? `all ${gateways.known} gateways`}`;
  const history =
    since === undefined
      ? 'no history yet'
      : at - since < hourMs - historyMs * 2
        ? `history since ${clock(since, false)}, when this gateway started`
        : 'history of an hour';
  write(footer, `${heard} · ${history}`);
}

/** Asks for an API key, without which nothing is shown. */
function askForKey(why: string): void {
  if (view instanceof ModelPage) view.close();
  view = undefined;
  const field = el('input', { id: 'key', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
  const wasWrong = key() !== '';
  setKey('');
  const problem = wasWrong ? [el('p', { class: 'problem', role: 'alert' }, why)] : [];
  const hint = el(
    'p',
    { class: 'summary' },
    'It stays in this tab, until that is closed, and is sent to this gateway alone.',
  );
  const button = el('button', { type: 'submit', class: 'primary' }, 'Show');
  const form = el('form', { class: 'key' }, el('label', { for: 'key' }, 'API key'), field, button);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    setKey(field.value.trim());
    main.replaceChildren(el('p', { class: 'empty' }, 'Asking the fleet …'));
    stream.start();
  });
  const heading = el('h1', { tabindex: '-1' }, 'This gateway asks for an API key');
  main.replaceChildren(el('section', { class: 'lock' }, heading, ...problem, form, hint));
  field.focus();
}

forget.addEventListener('click', () => {
  setKey('');
  fleet.head = undefined;
  stream.start();
});
addEventListener('hashchange', show);
setInterval(() => void drawHistory(), historyMs);
stream.start();
