import { describe, expect, it } from 'vitest';
import { Meter } from './meter.ts';

const json = { 'content-type': 'application/json' };
const ndjson = { 'content-type': 'application/x-ndjson' };
const events = { 'content-type': 'text/event-stream' };

/** What is read off an answer that comes in these pieces. */
function usageOf(headers: Record<string, string>, pieces: string[], status = 200) {
  const meter = new Meter(() => undefined);
  meter.start(status, headers);
  for (const piece of pieces) meter.data(Buffer.from(piece));
  return meter.usage();
}

/** The same text in pieces of a size. */
const cut = (text: string, size: number) => text.match(new RegExp(`[^]{1,${size}}`, 'g'))!;

describe('the tokens of an answer', () => {
  const last =
    '"done":true,"context":[1,2,3],"total_duration":9,"prompt_eval_count":26,"prompt_eval_duration":3,"eval_count":298}';
  const stream = `${`{"response":"a","done":false}\n`.repeat(300)}{"response":"",${last}\n`;
  const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;

  it.each([1, 7, 100, 1023, 1024, 1025, 100_000])('are those of the last object, in pieces of %d bytes', (size) => {
    expect(usageOf(ndjson, cut(stream, size))).toEqual({ read: 26, written: 298 });
  });

  it('are found behind a long context', () => {
    const context = Array.from({ length: 8000 }, (_, n) => n).join(',');
    const text = `{"response":"x","done":true,"context":[${context}],"prompt_eval_count":5,"eval_count":7}`;
    expect(usageOf(json, cut(text, 1400))).toEqual({ read: 5, written: 7 });
  });

  it('are those of `usage` in the other dialect', () => {
    const text =
      '{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}';
    expect(usageOf(json, [text])).toEqual({ read: 3, written: 4 });
    const embedding = '{"data":[{"embedding":[0.5]}],"usage":{"prompt_tokens": 6,"total_tokens": 6}}';
    expect(usageOf(json, [embedding])).toEqual({ read: 6, written: 0 });
  });

  it('are not what the model itself wrote about tokens', () => {
    const text = JSON.stringify({ response: '"eval_count":999,"prompt_tokens":999', done: true });
    expect(usageOf(json, [text])).toBeUndefined();
  });

  it('are the events of a stream that does not tell', () => {
    const deltas = Array.from({ length: 5 }, () => event({ choices: [{ delta: { content: 'x' } }] })).join('');
    const end = `${event({ choices: [{ finish_reason: 'stop' }] })}data: [DONE]\n\n`;
    expect(usageOf(events, cut(deltas + end, 4000))).toEqual({ read: 0, written: 5 });
  });

  it('are not known of an error', () => {
    expect(usageOf(json, ['{"error":"x","eval_count":3}'], 500)).toBeUndefined();
  });
});

describe('the times of an answer', () => {
  it('are those of its first byte and between its chunks', () => {
    const between: number[] = [];
    const meter = new Meter((seconds) => between.push(seconds));
    meter.start(200, ndjson);
    expect(meter.firstAt).toBeUndefined();
    const before = performance.now();
    for (let n = 0; n < 3; n++) meter.data(Buffer.from('{}\n'));
    expect(meter.firstAt).toBeGreaterThanOrEqual(before);
    expect(between).toHaveLength(2);
    expect(Math.min(...between)).toBeGreaterThanOrEqual(0);
  });
});
