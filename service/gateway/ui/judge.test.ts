import { describe, expect, it } from 'vitest';
import type { DownloadStatus } from '../../shared/status.ts';
import type { FleetEvent, ModelInPod, ModelView, PodView, ServerView } from '../status/view.ts';
import { Fleet } from './fleet.ts';
import { ofPod, progressOf } from './judge.ts';

const pod = (name: string, more: Partial<PodView> = {}): PodView => ({
  name,
  ...{ state: 'ready', problem: '', loadFails: false, ejectedBy: 0, ollama: '0.30.0' },
  ...{ ram: 0, vram: 0, memoryBytes: 0 },
  ...more,
});

const inPod = (name: string, more: Partial<ModelInPod> = {}): ModelInPod => ({
  pod: name,
  ...{ state: 'loaded', attempts: 0, inFlight: 0, slots: 2, ram: 5, vram: 0 },
  ...more,
});

const download = (more: Partial<DownloadStatus> = {}): DownloadStatus => ({
  ...{ state: 'pulling', model: 'a', attempt: 1, attempts: 5, bytes: 0, totalBytes: 0 },
  ...{ failures: 0, reason: '', error: '' },
  ...more,
});

const model = (key: string, more: Partial<ModelView> = {}): ModelView => ({
  ...{ key, name: `${key}:latest`, server: `server-${key}`, aliases: [], fallbacks: [], depth: 9 },
  ...{ now: { inFlight: 0, waiting: 0, oldest: 0 }, rates: {}, pods: [inPod('p')] },
  ...more,
});

const server = (name: string, more: Partial<ServerView> = {}): ServerView => ({
  ...{ name: `server-${name}`, min: 1, max: 2, pods: [pod('p')] },
  ...more,
});

function fleetOf(models: ModelView[], servers: ServerView[]): Fleet {
  const fleet = new Fleet();
  const event: FleetEvent = {
    ...{ at: 1, gateways: { known: 1, answering: 1 }, models, servers },
    totals: { rates: {}, now: { inFlight: 0, waiting: 0 } },
  };
  fleet.take(event, true);
  return fleet;
}

/** How a model `a` is on a server with these pods. */
const judged = (pods: PodView[], more: Partial<ModelView> = {}, ofServer: Partial<ServerView> = {}) =>
  fleetOf([model('a', more)], [server('a', { pods, ...ofServer })]).find('a')!;

describe('a model', () => {
  it('is ready when a pod is that has it loaded, and idle when none has', () => {
    expect(judged([pod('p')]).verdict).toEqual({ kind: 'ok', word: 'ready' });
    expect(judged([pod('p')], { pods: [inPod('p', { state: 'unloaded' })] }).verdict).toEqual({
      kind: 'idle',
      word: 'unloaded',
    });
  });

  it('is ready while another pod is on its way', () => {
    expect(judged([pod('p'), pod('q', { state: 'loading' })]).verdict.kind).toBe('ok');
  });

  it('is on its way while its only pod is', () => {
    for (const state of ['starting', 'downloading', 'loading'] as const) {
      expect(judged([pod('p', { state })]).verdict).toEqual({ kind: 'progress', word: state });
    }
  });

  it('is scaled to none where that may be, and in trouble where not', () => {
    expect(judged([], {}, { min: 0 }).verdict).toEqual({ kind: 'idle', word: 'scaled to none' });
    const down = judged([], {}, { min: 2 });
    expect(down.verdict).toEqual({ kind: 'bad', word: 'no pod' });
    expect(down.troubles[0]!.what).toBe('server-a has none of its 2 pods: not scheduled, or still without an address.');
  });

  it('is unknown as long as nobody has told of its pods', () => {
    const fleet = fleetOf([model('a')], [{ name: 'server-a', min: 1, max: 1 }]);
    expect(fleet.find('a')!.verdict).toEqual({ kind: 'unknown', word: 'unknown' });
    expect(fleet.troubles).toEqual([]);
  });

  it('needs a look when a pod is missing, silent or ejected, and is in trouble when no other is ready', () => {
    expect(judged([pod('p')], {}, { min: 2 }).verdict).toEqual({ kind: 'warn', word: 'degraded' });
    for (const state of ['silent', 'ejected'] as const) {
      expect(judged([pod('p'), pod('q', { state })]).verdict.kind).toBe('warn');
      expect(judged([pod('q', { state })]).verdict).toEqual({ kind: 'bad', word: state });
    }
  });

  it('is not missed by a pod that is ending while the next is on its way', () => {
    expect(judged([pod('p', { state: 'draining' }), pod('q', { state: 'loading' })]).troubles).toEqual([]);
    expect(judged([pod('p', { state: 'draining' }), pod('q')]).verdict.kind).toBe('ok');
    expect(judged([pod('p', { state: 'draining' })]).verdict.kind).toBe('bad');
  });

  it.each([
    [0, 0, undefined],
    [3, 9, undefined],
    [3, 10, 'warn'],
    [3, 30, 'bad'],
  ])('with %i requests that wait, the first for %i s: %s', (waiting, oldest, kind) => {
    const { troubles, verdict } = judged([pod('p')], { now: { inFlight: 1, waiting, oldest } });
    expect(troubles[0]?.kind).toBe(kind);
    expect(verdict.kind).toBe(kind ?? 'ok');
    if (waiting > 0) expect(verdict.word).toBe(kind === 'bad' ? 'saturated' : 'busy');
  });

  it.each([
    [1, 0.01, 0, undefined],
    [1, 0.02, 0, 'warn'],
    [1, 0.25, 0, 'bad'],
    [0, 0, 0.1, 'warn'],
  ])('of %f requests a second of which %f fail and %f are refused: %s', (requests, errors, refused, kind) => {
    expect(judged([pod('p')], { rates: { requests, errors, refused } }).troubles[0]?.kind).toBe(kind);
  });

  it('needs a look when it is partly on the CPU, and not when all of it is', () => {
    const held = (ram: number, vram: number) => judged([pod('p')], { pods: [inPod('p', { ram, vram })] }).verdict.kind;
    expect([held(6e9, 14e9), held(0.5e9, 19.5e9), held(20e9, 0)]).toEqual(['warn', 'ok', 'ok']);
  });
});

describe('a pod', () => {
  it('that downloads says how far it is', () => {
    const at = (more: Partial<DownloadStatus>) => progressOf(pod('p', { download: download(more) }));
    expect(at({ bytes: 18e9, totalBytes: 40e9 })).toBe('18.0 GB of 40.0 GB, 45 %');
    expect([at({}), at({ state: 'starting' }), at({ state: 'building' })]).toEqual(['connecting', '', 'building']);
    expect(progressOf(pod('p'))).toBe('');
  });

  it('whose download fails is named with the reason', () => {
    const failing = pod('q', {
      state: 'downloading',
      download: download({ state: 'failed', attempt: 2, error: 'no space: raise cache.size', reason: 'no_space' }),
    });
    expect(ofPod(failing)).toEqual({ kind: 'warn', word: 'download fails' });
    const { troubles, verdict } = judged([failing]);
    expect(verdict.kind).toBe('bad');
    expect(troubles[0]).toMatchObject({
      what: 'q cannot download a (attempt 2 of 5): no space: raise cache.size',
      look: 'kubectl logs q -c model-downloader',
    });
  });

  it('in which a model cannot be loaded is named with the reason, and is the less bad if another can', () => {
    const failing = pod('q', { state: 'loading', loadFails: true });
    expect(ofPod(failing).word).toBe('load fails');
    const inFailing = inPod('q', { state: 'failed', problem: 'Ollama answered 500: out of memory' });
    expect(judged([failing], { pods: [inFailing] })).toMatchObject({
      verdict: { kind: 'bad', word: 'load fails' },
      troubles: [
        {
          kind: 'bad',
          what: 'a cannot be loaded in q: Ollama answered 500: out of memory.',
          look: 'kubectl logs q -c ollama',
        },
      ],
    });
    expect(judged([failing, pod('p')], { pods: [inFailing, inPod('p')] }).verdict).toEqual({
      kind: 'warn',
      word: 'degraded',
    });
  });
});

describe('the fleet', () => {
  it('has the models in trouble first, those on their way next, and the others by name', () => {
    const silent = [pod('p', { state: 'silent' })];
    const loading = [pod('p', { state: 'loading' })];
    const keys = ['d', 'b', 'a', 'c', 'e'];
    const pods: Record<string, PodView[]> = { c: silent, b: loading };
    const fleet = fleetOf(
      keys.map((key) => model(key, key === 'e' ? { now: { inFlight: 0, waiting: 1, oldest: 12 } } : {})),
      keys.map((key) => server(key, pods[key] ? { pods: pods[key] } : {})),
    );
    expect(fleet.models.map(({ model }) => model.key)).toEqual(['c', 'e', 'b', 'a', 'd']);
    expect(fleet.counts).toEqual({ bad: 1, warn: 1, progress: 1, unknown: 0, ok: 2, idle: 0 });
  });

  it('has a trouble once, of however many models its server has', () => {
    const both = ['a', 'b'].map((key) => model(key, { server: 'server-a' }));
    const fleet = fleetOf(both, [server('a', { pods: [pod('p', { state: 'silent' })] })]);
    expect(fleet.troubles).toMatchObject([{ what: 'p does not answer.', models: ['a', 'b'] }]);
    expect(fleet.counts.bad).toBe(2);
  });

  it('costs what its pods do, ready or not', () => {
    const servers = [
      server('a', { costPerHour: 2, pods: [pod('p'), pod('q', { state: 'loading' })] }),
      server('b', { costPerHour: 0.5, pods: [] }),
      server('c', { pods: [pod('r')] }),
    ];
    const fleet = fleetOf([model('a'), model('b'), model('c')], servers);
    expect([fleet.costPerHour, fleet.unpriced]).toEqual([4, 1]);
    expect(fleetOf([model('c')], [servers[2]!]).costPerHour).toBeUndefined();
  });

  it('takes what has changed, and keeps the rest', () => {
    const fleet = fleetOf([model('a'), model('b')], [server('a'), server('b')]);
    const head = { ...fleet.head!, at: 2 };
    const now = { inFlight: 7, waiting: 0, oldest: 0 };
    fleet.take({ ...head, models: [model('b', { now })], servers: [] }, false);
    expect(fleet.models.map(({ model }) => [model.key, model.now.inFlight])).toEqual([
      ['a', 0],
      ['b', 7],
    ]);
    fleet.take({ ...head, models: [model('a')], servers: [server('a')] }, true);
    expect(fleet.models).toHaveLength(1);
  });
});
