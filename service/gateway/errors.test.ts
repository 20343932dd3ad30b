import { describe, expect, it } from 'vitest';
import { get, jsonOf, until } from '../testing/client.ts';
import { GatewayBeforeAgent } from '../testing/gateway.ts';

const fleet = new GatewayBeforeAgent();

describe('errors in the dialect of the path', () => {
  const both = [
    ['/api/chat', (message: string) => ({ error: message })],
    [
      '/v1/chat/completions',
      (message: string, type: string, param: string | null = null, code: string | null = null) => ({
        error: { message, type, param, code },
      }),
    ],
  ] as const;

  it.each(both)('%s: 404 for an unknown model', async (path, shape) => {
    const answer = await fleet.ask(path, { model: 'nobody' });
    expect(answer.status).toBe(404);
    expect(jsonOf(answer)).toEqual(
      shape("model 'nobody' not found", 'invalid_request_error', 'model', 'model_not_found'),
    );
  });

  it.each(both)('%s: 400 for a body that is no JSON', async (path, shape) => {
    const answer = await fleet.ask(path, '{"model":');
    expect(answer.status).toBe(400);
    expect(jsonOf(answer)).toEqual(
      shape('the request body is not valid JSON: it ends too early', 'invalid_request_error'),
    );
  });

  it.each(both)('%s: 400 without a model', async (path, shape) => {
    expect(jsonOf(await fleet.ask(path, {}))).toEqual(shape('model is required', 'invalid_request_error', 'model'));
    expect((await fleet.ask(path, '')).status).toBe(400);
  });

  it.each(both)('%s: 413 for a body that is too large, announced or not', async (path, shape) => {
    const large = Buffer.alloc(8 * 1024 ** 2, ' ');
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await fleet.ask(path, large, headers);
      expect(answer.status).toBe(413);
      expect(jsonOf(answer)).toEqual(shape('request body too large: the limit is 1 MiB', 'invalid_request_error'));
    }
    expect(fleet.agent.received).toEqual([]);
  });

  it.each(both)('%s: 503 with Retry-After when the server is away', async (path, shape) => {
    const answer = await fleet.ask(path, { model: 'gone' });
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(jsonOf(answer)).toEqual(shape('the server of model gone cannot be reached at the moment', 'api_error'));
  });

  it.each(both)('%s: 504 when the answer does not begin in time', async (path, shape) => {
    let cancelled = false;
    fleet.agent.answers[path] = (response) => {
      response.on('close', () => {
        cancelled = true;
      });
    };
    fleet.gateway.hop.configure(fleet.config({ generationTimeoutSeconds: 0.2 }));
    const answer = await fleet.ask(path, { model: 'small' });
    expect(answer.status).toBe(504);
    expect(jsonOf(answer)).toEqual(shape('the server of model small did not answer within 0.2 seconds', 'api_error'));
    await until(() => cancelled);
  });

  it.each(both)('%s: 405 for another method, with the right one', async (path) => {
    const answer = await fetch(fleet.url + path);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await answer.json()).toHaveProperty('error');
  });

  it('says of other paths that they are not offered', async () => {
    expect(await get(`${fleet.url}/api/jobs`)).toEqual({
      status: 404,
      text: '{"error":"GET /api/jobs is not offered here"}',
    });
    expect(JSON.parse((await get(`${fleet.url}/v1/files`)).text).error.type).toBe('invalid_request_error');
    expect((await fleet.ask('/drain', {})).status).toBe(404);
    expect((await fleet.ask('/api/*enerate', {})).status).toBe(404);
  });
});
