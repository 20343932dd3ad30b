import { describe, expect, it } from 'vitest';
import { get } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { GatewayBeforeAgent, nowhere } from '../testing/gateway.ts';
import { gatewayConfig, startGateway } from '../testing/hops.ts';

const fleet = new GatewayBeforeAgent();

describe('listings', () => {
  const details = { format: 'gguf', family: 'llama' };

  it('lists every configured model, with the details of those servers that answer', async () => {
    fleet.agent.answers['/api/tags'] = json({
      models: [
        {
          name: 'Team/Small:latest',
          model: 'Team/Small:latest',
          modified_at: '2026-01-02T03:04:05Z',
          size: 7,
          digest: 'd',
          details,
        },
        { name: 'base:1b', model: 'base:1b', modified_at: '2026-01-02T03:04:05Z', size: 9, digest: 'e', details },
      ],
    });
    await using fresh = await startGateway(fleet.config());
    const { models } = JSON.parse((await get(`${fresh.url}/api/tags`)).text);
    expect(models).toHaveLength(2);
    expect(models[0]).toEqual({
      name: 'Team/Small:latest',
      model: 'Team/Small:latest',
      modified_at: '2026-01-02T03:04:05Z',
      ...{ size: 7, digest: 'd', details },
    });
    expect(models[1]).toMatchObject({ name: 'team/gone:latest', size: 0, digest: '0'.repeat(64) });
    expect(JSON.parse((await get(`${fresh.url}/v1/models`)).text)).toEqual({
      object: 'list',
      data: [
        { id: 'Team/Small:latest', object: 'model', created: 1767323045, owned_by: 'Team' },
        { id: 'team/gone:latest', object: 'model', created: 0, owned_by: 'team' },
      ],
    });
    expect(JSON.parse((await get(`${fresh.url}/v1/models/small`)).text)).toMatchObject({
      id: 'small',
      created: 1767323045,
    });
    expect((await get(`${fresh.url}/v1/models/team/small`)).status).toBe(200);
    expect(JSON.parse((await get(`${fresh.url}/v1/models/base:1b`)).text).error.code).toBe('model_not_found');
  });

  it('does not wait for a server that hangs', async () => {
    await using hanging = await FakeOllama.start();
    hanging.answers['/api/tags'] = () => {};
    await using fresh = await startGateway(gatewayConfig({ small: fleet.agent.url, hanging: hanging.url }));
    const began = performance.now();
    expect(JSON.parse((await get(`${fresh.url}/api/tags`)).text).models).toHaveLength(2);
    expect(performance.now() - began).toBeLessThan(4000);
  });

  it('asks each agent once for many clients', async () => {
    await using fresh = await startGateway(fleet.config());
    await Promise.all(Array.from({ length: 20 }, () => get(`${fresh.url}/api/tags`)));
    expect(fleet.agent.on('/api/tags')).toHaveLength(1);
  });

  it("answers /api/version with the lowest of the servers', and 503 before it knows one", async () => {
    await using older = await FakeOllama.start();
    older.answers['/api/version'] = json({ version: '0.9.6' });
    await using fresh = await startGateway(gatewayConfig({ small: fleet.agent.url, older: older.url }));
    expect((await get(`${fresh.url}/api/version`)).text).toBe('{"version":"0.9.6"}');
    await using alone = await startGateway(gatewayConfig({ gone: nowhere }));
    expect((await get(`${alone.url}/api/version`)).status).toBe(503);
  });
});
