import { describe, expect, it } from 'vitest';
import { Model, Runner } from './models.ts';
import { roomFor } from './room.ts';

/** A model with the process that runs it; by itself of standard priority, of 10 bytes, unused and not pinned. */
function made(key: string, more: Partial<Model> = {}, of: Partial<Runner> = {}): { model: Model; runner: Runner } {
  const model = Object.assign(new Model(key, key), { expectedBytes: 10, idleMs: 1000, loadedOnce: true }, more);
  const runner = Object.assign(new Runner({ weights: key, variant: key }), { state: 'resident' }, of);
  model.runBy(runner);
  return { model, runner };
}

/** The keys of those that have to leave for a model of 10 bytes. */
function leaving(others: Runner[], budget: number, more: Partial<Model> = {}): string[] | 'none' {
  const { model, runner } = made('wanted', more, { state: 'absent' });
  const found = roomFor(model, runner, others, budget);
  return found === 'none' ? found : found.map(({ origin }) => origin.weights);
}

const runner = (...args: Parameters<typeof made>) => made(...args).runner;

describe('roomFor', () => {
  it('has nobody leave where there is room', () => {
    expect(leaving([], 10)).toEqual([]);
    expect(leaving([runner('a'), runner('b')], 30)).toEqual([]);
    expect(leaving([runner('a'), runner('b'), runner('c')], 0)).toEqual([]);
  });

  it('has those of the lowest priority leave first, then those unused for longest, and no more than it takes', () => {
    const others = [
      runner('recent', {}, { lastUsed: 3 }),
      runner('chat', { priority: 'interactive' }, { lastUsed: 0 }),
      runner('oldest', {}, { lastUsed: 1 }),
      runner('night', { priority: 'batch' }, { lastUsed: 4 }),
    ];
    expect(leaving(others, 40)).toEqual(['night']);
    expect(leaving(others, 30)).toEqual(['night', 'oldest']);
    expect(leaving(others, 20)).toEqual(['night', 'oldest', 'recent']);
    expect(leaving(others, 15)).toBe('none');
    expect(leaving(others, 15, { priority: 'interactive' })).toHaveLength(4);
  });

  it('has nobody leave who is in use, or as long as that is not enough', () => {
    expect(leaving([runner('a', {}, { uses: 1 }), runner('b')], 20)).toEqual(['b']);
    expect(leaving([runner('a', {}, { uses: 1 }), runner('b')], 15)).toBe('none');
    expect(leaving([runner('a', {}, { heldUntil: Number.POSITIVE_INFINITY })], 15)).toBe('none');
  });

  it('waits for none that stay: Ollama decides', () => {
    const pinned = runner('pinned', { idleMs: Number.POSITIVE_INFINITY });
    expect(leaving([pinned, runner('a')], 20)).toEqual(['a']);
    expect(leaving([pinned, runner('a')], 15)).toEqual([]);
  });

  it('has those of higher priority leave for a first load, as often as may help', () => {
    const chat = runner('chat', { priority: 'interactive' });
    expect(leaving([chat], 15)).toBe('none');
    expect(leaving([chat], 15, { loadedOnce: false, attempts: 2 })).toEqual(['chat']);
    expect(leaving([chat], 15, { loadedOnce: false, attempts: 3 })).toBe('none');
  });

  it('has all leave for one that takes more than there is', () => {
    expect(leaving([runner('a'), runner('b')], 30, { expectedBytes: 99 })).toEqual(['a', 'b']);
  });

  it('has whoever has the same weights leave, whatever its priority', () => {
    const rival = runner('rival', { priority: 'interactive', idleMs: Number.POSITIVE_INFINITY });
    rival.origin = { weights: 'wanted', variant: 'other' };
    expect(leaving([rival], 0)).toEqual(['wanted']);
    expect(leaving([rival, runner('a')], 25)).toEqual(['wanted']);
    rival.uses = 1;
    expect(leaving([rival], 0)).toBe('none');
  });

  it('has nobody leave for one that is loaded', () => {
    const { model, runner: own } = made('own');
    expect(roomFor(model, own, [own, runner('a')], 5)).toEqual([]);
  });

  it('goes by what Ollama says that one takes rather than by what was expected', () => {
    const listed = { name: 'a', size: 1, size_vram: 0, expires_at: '' };
    expect(leaving([runner('a', {}, { listed })], 15)).toEqual([]);
    // One that no configuration speaks of is the first to leave.
    const stranger = Object.assign(new Runner({ weights: 's', variant: 's' }), { listed: { ...listed, size: 10 } });
    expect(leaving([runner('night', { priority: 'batch' }), stranger], 25)).toEqual(['s']);
  });
});
