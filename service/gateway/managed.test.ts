import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Drain } from '../shared/drain.ts';
import { createApp } from '../shared/http.ts';
import { createLogger } from '../shared/logging.ts';
import { addManagedRoutes } from './managed.ts';

const log = createLogger('test', 'error');
log.level = 'silent';

describe('routes that change models', () => {
  const app = createApp(log, new Drain(0, () => 0));
  addManagedRoutes(app);
  let url = '';
  beforeAll(async () => {
    url = await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => app.close());
  const digest = `sha256:${'0'.repeat(64)}`;

  it.each([
    ['POST', '/api/pull'],
    ['POST', '/api/push'],
    ['POST', '/api/create'],
    ['POST', '/api/copy'],
    ['DELETE', '/api/delete'],
    ['POST', `/api/blobs/${digest}`],
    ['POST', '/api/pull?insecure=true'],
  ] as const)('%s %s: 403 that says why and what to do instead', async (method, path) => {
    const answer = await fetch(url + path, { method, body: '{"model":"small"}' });
    expect(answer.status).toBe(403);
    expect(await answer.json()).toEqual({
      error: expect.stringMatching(/come from its registry.*upgrade the release/),
    });
  });

  it('HEAD of a blob: 403', async () => {
    expect((await fetch(`${url}/api/blobs/${digest}`, { method: 'HEAD' })).status).toBe(403);
  });

  it('says it in the other dialect too', async () => {
    const answer = await fetch(`${url}/v1/models/team/small`, { method: 'DELETE' });
    expect(answer.status).toBe(403);
    const { error } = (await answer.json()) as { error: object };
    expect(error).toMatchObject({ type: 'invalid_request_error', code: 'models_are_managed' });
  });
});
