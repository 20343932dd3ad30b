import type { ModelView, PodView, ServerView } from '../status/view.ts';
import { bytes, count, percent, seconds } from './format.ts';

/** How something is, the worst first. Each has a word, a colour and a shape of its own. */
export const kinds = ['bad', 'warn', 'progress', 'unknown', 'ok', 'idle'] as const;
export type Kind = (typeof kinds)[number];

export interface Verdict {
  kind: Kind;
  /** What it is, in a word or two. */
  word: string;
}

/** Something that somebody should look at. */
export interface Trouble {
  kind: 'bad' | 'warn';
  /** What is wrong, in a sentence. */
  what: string;
  /** Where to look, as a command or in words; empty where the sentence says it. */
  look: string;
  /** The models that it is about, by their keys. */
  models: string[];
}

/** After how many seconds in the line it is a pain for those who wait, and when they give up. */
const longWait = 10;
const tooLongWait = 30;

/** Shares of the requests of a minute that fail. */
const someFail = 0.02;
const manyFail = 0.25;

/** Part of a model that may be outside of the GPUs without being there for want of room. */
const spill = 0.05;

const isFailing = ({ download }: PodView) => download?.state === 'failed' || (download?.attempt ?? 0) > 1;

export const readyPods = ({ pods = [] }: ServerView): PodView[] => pods.filter(({ state }) => state === 'ready');

/** The pods that are to stay. */
const staying = ({ pods = [] }: ServerView) => pods.filter(({ state }) => state !== 'draining');

/** How a pod is. */
export function ofPod(pod: PodView): Verdict {
  switch (pod.state) {
    case 'ready':
      return { kind: 'ok', word: 'ready' };
    case 'draining':
      return { kind: 'idle', word: 'draining' };
    case 'ejected':
      return { kind: 'bad', word: 'ejected' };
    case 'silent':
      return { kind: 'bad', word: 'silent' };
    case 'unknown':
      return { kind: 'unknown', word: 'not asked yet' };
    case 'downloading':
      return isFailing(pod) ? { kind: 'warn', word: 'download fails' } : { kind: 'progress', word: 'downloading' };
    case 'loading':
      return pod.loadFails ? { kind: 'warn', word: 'load fails' } : { kind: 'progress', word: 'loading' };
    default:
      return { kind: 'progress', word: pod.state };
  }
}

/** How far a download is, in words; empty where that is not known. */
export function progressOf({ download }: PodView): string {
  if (!download) return '';
  if (download.state === 'building') return 'building';
  if (download.totalBytes === 0) return download.state === 'pulling' ? 'connecting' : '';
  const share = percent(download.bytes / download.totalBytes);
  return `${bytes(download.bytes)} of ${bytes(download.totalBytes)}, ${share}`;
}

/** What is wrong with the pods of a server. */
export function troublesOfServer(server: ServerView, models: readonly ModelView[]): Trouble[] {
  const { name, min, pods } = server;
  if (!pods) return [];
  const keys = models.map(({ key }) => key);
  const down = readyPods(server).length === 0;
  const kind = down ? 'bad' : 'warn';
  const troubles: Trouble[] = [];
  const say = (what: string, look = '') => troubles.push({ kind, what, look, models: keys });
  for (const pod of pods) {
    const { state, download, ejectedBy } = pod;
    if (state === 'silent') say(`${pod.name} does not answer.`, `kubectl logs ${pod.name} -c agent`);
    if (state === 'ejected') {
      say(
        `${pod.name} failed, and ${count(ejectedBy, 'gateway')} ask it no more.`,
        `kubectl logs ${pod.name} -c agent`,
      );
    }
    if (state === 'downloading' && isFailing(pod)) {
      const attempt = download!.state === 'failed' ? ` (attempt ${download!.attempt} of ${download!.attempts})` : '';
      const look = `kubectl logs ${pod.name} -c model-downloader`;
      say(`${pod.name} cannot download ${download!.model || 'a model'}${attempt}: ${download!.error}`, look);
    }
  }
  const missing = (min ?? 0) - staying(server).length;
  if (missing > 0) {
    const none = min === 1 ? 'has no pod' : `has none of its ${min} pods`;
    const what = missing === min ? none : `lacks ${missing} of its ${min} pods`;
    say(`${name} ${what}: not scheduled, or still without an address.`, `kubectl describe deployment ${name}`);
  } else if (down && troubles.length === 0 && pods.length > 0 && staying(server).length === 0) {
    say(`All pods of ${name} are ending.`, `kubectl get pods`);
  }
  return troubles;
}

/** What is wrong with a model itself, and with its requests. */
export function troublesOfModel(model: ModelView): Trouble[] {
  const { key, now, rates } = model;
  const troubles: Trouble[] = [];
  const say = (kind: Trouble['kind'], what: string, look = '') => troubles.push({ kind, what, look, models: [key] });
  if (now.waiting > 0 && now.oldest >= longWait) {
    const kind = now.oldest >= tooLongWait ? 'bad' : 'warn';
    say(kind, `${count(now.waiting, 'request')} for ${key} wait, the first for ${seconds(now.oldest)}.`);
  }
  const { requests = 0, errors = 0, refused = 0 } = rates;
  const failing = requests > 0 ? errors / requests : 0;
  if (failing >= someFail) {
    say(
      failing >= manyFail ? 'bad' : 'warn',
      `${percent(failing)} of the requests for ${key} failed in the last minute.`,
    );
  }
  if (refused > 0) {
    say(
      'warn',
      `${key} turned ${count(Math.max(1, Math.round(refused * 60)), 'request')} away in the last minute: it had no room.`,
    );
  }
  const works = model.pods.some(({ state }) => state === 'loaded' || state === 'unloaded');
  for (const { pod, state, problem } of model.pods) {
    if (state !== 'failed') continue;
    say(works ? 'warn' : 'bad', `${key} cannot be loaded in ${pod}: ${problem}.`, `kubectl logs ${pod} -c ollama`);
  }
  const spilt = model.pods.filter(({ ram, vram }) => vram > 0 && ram > spill * (ram + vram));
  if (spilt.length > 0) {
    const [{ ram, vram, pod }] = spilt as [(typeof spilt)[0]];
    say('warn', `${key} is partly on the CPU, which makes it slow: ${bytes(ram)} of ${bytes(ram + vram)} in ${pod}.`);
  }
  return troubles;
}

/** How a model is, given what is wrong with it. */
export function ofModel(model: ModelView, server: ServerView | undefined, troubles: readonly Trouble[]): Verdict {
  const pods = server?.pods;
  if (!server || !pods) return { kind: 'unknown', word: 'unknown' };
  const ready = readyPods(server).length;
  const worst = troubles.some(({ kind }) => kind === 'bad') ? 'bad' : troubles.length > 0 ? 'warn' : undefined;
  if (ready === 0) {
    if (pods.length === 0 && (server.min ?? 1) === 0) return { kind: worst ?? 'idle', word: 'scaled to none' };
    const verdicts = pods.map(ofPod).toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
    const first = verdicts[0] ?? { kind: 'bad', word: 'no pod' };
    return { kind: worst ?? first.kind, word: first.word };
  }
  const own = model.pods.filter(({ pod }) => pods.some(({ name, state }) => name === pod && state === 'ready'));
  if (worst === 'bad' && model.now.waiting > 0) return { kind: 'bad', word: 'saturated' };
  if (worst) return { kind: worst, word: model.now.waiting > 0 ? 'busy' : 'degraded' };
  if (model.now.waiting > 0) return { kind: 'ok', word: 'busy' };
  if (own.some(({ state }) => state === 'loaded')) return { kind: 'ok', word: 'ready' };
  if (own.some(({ state }) => state === 'loading')) return { kind: 'progress', word: 'loading' };
  return own.length > 0 ? { kind: 'idle', word: 'unloaded' } : { kind: 'ok', word: 'ready' };
}
