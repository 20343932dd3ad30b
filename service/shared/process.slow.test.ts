import { createConnection } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { ForecasterConfig } from '../../schema/config.ts';
import { get, open, post, until } from '../testing/client.ts';
import { Entry } from '../testing/entry.ts';
import { FakeOllama } from '../testing/fake-ollama.ts';
import { agentConfig, gatewayConfig } from '../testing/hops.ts';

/** Nothing listens at that port. */
const forecaster: ForecasterConfig = {
  ...{ prometheusUrl: 'http://127.0.0.1:9', namespace: 'ns', release: 'rel', logLevel: 'info' },
  ...{ binSeconds: 600, quantile: 0.97, tolerance: 0 },
  servers: { 'ollama-small': { deployment: 'x-ollama-small', target: 0.7, startSeconds: 300 } },
};

// Most of it is waiting for processes: they wait together.
describe.concurrent('an entry point', () => {
  it.each(['gateway', 'agent'] as const)(
    '%s ends at the start with one line when its configuration is unsound',
    async (component) => {
      await using entry = Entry.launch(component, { logLevel: 'loud' });
      expect(await entry.ended()).toBe(1);
      expect(entry.errors.trimEnd().split('\n')).toHaveLength(1);
      expect(entry.errors).toContain(`${component}: ${entry.configFile}: `);
      expect(entry.errors).toContain(
        'logLevel: must be equal to one of the allowed values: use one of debug, info, warn, error',
      );
      expect(entry.errors).toContain('models: missing: add it: ');
    },
  );

  it('says what a flag should have been', async () => {
    await using entry = Entry.launch('agent', {}, '--port', 'http');
    expect(await entry.ended()).toBe(1);
    expect(entry.errors).toMatch(/^agent: --port: "http" is not a whole number from 0 to 65535; usage: /);
  });

  it('takes a changed configuration without a restart, and stays with the old one when the new is unsound', async () => {
    await using agent = await FakeOllama.start();
    await using gateway = await Entry.start('gateway', gatewayConfig({ old: agent.url }));
    const statusOf = async (model: string) => (await post(`${gateway.url}/api/chat`, { model })).status;
    expect([await statusOf('old'), await statusOf('new')]).toEqual([200, 404]);
    gateway.configure(gatewayConfig({ new: agent.url }));
    await until(() => gateway.logged('configuration changed').length === 1);
    expect([await statusOf('old'), await statusOf('new')]).toEqual([404, 200]);
    gateway.configure({ ...gatewayConfig({ newer: agent.url }), servers: {} });
    await until(() => gateway.logged('new configuration refused, the old one stays').length === 1);
    const [refused] = gateway.logged('new configuration refused, the old one stays');
    expect(refused!.problem).toContain(`${gateway.configFile}: models.newer.server: there is no server server-newer: `);
    expect(await statusOf('new')).toBe(200);
  });

  it('serves metrics on a port of their own', async () => {
    await using gateway = await Entry.start('gateway', gatewayConfig({}));
    const answer = await fetch(gateway.metricsUrl);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).toContain('# TYPE model_request_duration_seconds histogram');
    expect((await get(`${gateway.url}/metrics`)).status).toBe(404);
  });

  it('has clients that all come at once wait for it, and none try anew after a second', async () => {
    await using gateway = await Entry.start('gateway', gatewayConfig({}));
    const { hostname, port } = new URL(gateway.url);
    gateway.signal('SIGSTOP');
    const clients = Array.from({ length: 2000 }, () => createConnection(Number(port), hostname));
    try {
      let connected = 0;
      for (const client of clients) client.once('connect', () => connected++).on('error', () => {});
      // Without a process that takes them they are the kernel's, as many as there is room for.
      await until(() => connected === clients.length);
    } finally {
      gateway.signal('SIGCONT');
      for (const client of clients) client.destroy();
    }
  });

  it('finishes the stream in hand after SIGTERM, and leaves with 0', async () => {
    await using above = await FakeOllama.start();
    let finish = () => {};
    above.answers['/api/chat'] = (response) => {
      response.writeHead(200).write('{}\n');
      finish = () => response.end('{"done":true}\n');
    };
    await using gateway = await Entry.start('gateway', gatewayConfig({ small: above.url }), '--drain-delay', '1');
    const running = await open(`${gateway.url}/api/chat`, { model: 'small' });
    gateway.signal('SIGTERM');
    await until(async () => (await get(`${gateway.url}/health/ready`)).status === 503);
    expect((await post(`${gateway.url}/api/embed`, { model: 'small' })).status).toBe(200);
    await until(async () => (await post(`${gateway.url}/api/embed`, { model: 'small' })).status === 503);
    finish();
    let text = '';
    for await (const chunk of running) text += chunk;
    expect(text).toBe('{}\n{"done":true}\n');
    expect(await gateway.ended()).toBe(0);
  });

  it('forecaster refuses bins that make no day, in one line', async () => {
    await using entry = Entry.launch('forecaster', { ...forecaster, binSeconds: 700 });
    expect(await entry.ended()).toBe(1);
    expect(entry.errors).toBe(
      `forecaster: ${entry.configFile}: binSeconds: 700 does not divide a day: set it to 600, or another part of 86400\n`,
    );
  });

  it('forecaster is alive without a Prometheus, says why it is not ready, trusts nothing, and leaves with 0', async () => {
    await using entry = await Entry.start('forecaster', forecaster);
    await until(() => entry.logs.some(({ level }) => level === 'warn'));
    expect((await get(`${entry.url}/health/live`)).status).toBe(200);
    const ready = await get(`${entry.url}/health/ready`);
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.text).reason).toMatch(/^http:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/);
    const metrics = await (await fetch(entry.metricsUrl)).text();
    expect(metrics).toContain('forecaster_reads_total{result="success"} 0\n');
    expect(metrics).not.toMatch(/^server_forecast_/m);
    const status = await (await fetch(new URL('/status', entry.metricsUrl))).json();
    expect(status).toEqual({ servers: { 'x-ollama-small': { silent: 'Prometheus does not answer' } } });
    entry.configure({ ...forecaster, logLevel: 'debug' });
    await until(() => entry.logged('configuration changed').length === 1);
    entry.signal('SIGTERM');
    expect(await entry.ended()).toBe(0);
    expect(entry.errors).toBe('');
  });

  it('as an agent that was drained before leaves at once', async () => {
    await using ollama = await FakeOllama.start();
    await using agent = await Entry.start('agent', agentConfig(ollama.url, {}), '--drain-delay', '0');
    expect((await get(`${agent.url}/drain`)).status).toBe(200);
    const began = performance.now();
    agent.signal('SIGTERM');
    expect(await agent.ended()).toBe(0);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('shares a request id between the logs of both hops, and never logs what was asked', async () => {
    await using ollama = await FakeOllama.start(['team/small:latest']);
    const models = { small: { name: 'team/small:latest', priority: 'standard' as const } };
    await using agent = await Entry.start('agent', agentConfig(ollama.url, models, { logLevel: 'debug' }));
    await using gateway = await Entry.start('gateway', gatewayConfig({ small: agent.url }, { logLevel: 'debug' }));
    await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
    const secret = 'what-nobody-else-should-read';
    const headers = { 'x-request-id': 'from-the-client', authorization: `Bearer ${secret}` };
    await post(`${gateway.url}/api/chat`, { model: 'small', messages: [{ role: 'user', content: secret }] }, headers);
    await post(`${gateway.url}/api/chat`, { model: secret }, headers);
    await post(`${gateway.url}/api/chat?${secret}`, `{"model":"small"${secret}`, headers);
    await post(`${gateway.url}/${secret}`, secret, headers);
    await until(() => gateway.logged('request').length === 3 && agent.logged('request').length === 1);
    for (const hop of [gateway, agent]) {
      expect(hop.logged('request')[0]).toMatchObject({
        requestId: 'from-the-client',
        model: 'small',
        route: '/api/chat',
        status: 200,
      });
      expect(JSON.stringify(hop.logs) + hop.errors).not.toContain(secret);
    }
  });

  it('says what is wrong when its port is taken', async () => {
    await using taken = await FakeOllama.start();
    await using entry = Entry.launch('gateway', gatewayConfig({}), '--port', new URL(taken.url).port);
    expect(await entry.ended()).toBe(1);
    expect(entry.errors).toMatch(
      /^gateway: listen EADDRINUSE: address already in use 127\.0\.0\.1:[0-9]+: name another port with --port or --metrics-port\n$/,
    );
  });
});
