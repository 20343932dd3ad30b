import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { open, post } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { nowhere } from '../testing/gateway.ts';
import { gatewayConfig, gatewayModel, startGateway } from '../testing/hops.ts';

const path = '/v1/chat/completions';
const events = 'data: {"choices":[]}\n\ndata: [DONE]\n\n';

const answerEvents: FakeOllama['answers'][string] = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).end(events);
};

/** Of the model `large`, on these replicas. */
const fleet = (replicas: string[], holdSeconds: number) =>
  gatewayConfig(
    {},
    {
      models: { large: gatewayModel('large', { queue: { depth: 8, waitSeconds: 5, holdSeconds } }) },
      servers: { 'server-large': { url: nowhere, replicas, slots: 1 } },
    },
  );

// All of it is waiting: they wait together.
describe.concurrent('the client of a stream of events is kept waiting with comments', () => {
  it('while a server has no replicas, and is told of an error within the stream', async () => {
    await using gateway = await startGateway(fleet([], 6));
    const answer = await open(gateway.url + path, { model: 'large', stream: true });
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'text/event-stream']);
    let text = '';
    for await (const chunk of answer) text += chunk;
    expect(text).toMatch(/^: waiting\n\ndata: \{"error":\{"message":"the server of model large cannot be reached/);
  });

  it('while a server has no replicas, and then gets the answer, byte for byte', async () => {
    await using agent = await FakeOllama.start();
    agent.answers[path] = answerEvents;
    await using gateway = await startGateway(fleet([], 30));
    const answer = await open(gateway.url + path, { model: 'large', stream: true });
    gateway.hop.configure(fleet([agent.url], 30));
    let text = '';
    for await (const chunk of answer) text += chunk;
    expect(text).toBe(`: waiting\n\n${events}`);
  });

  it('while its model is loaded', async () => {
    await using agent = await FakeOllama.start();
    agent.answers[path] = async (...to) => {
      await sleep(6000);
      answerEvents(...to);
    };
    await using gateway = await startGateway(fleet([agent.url], 5));
    const answer = await post(gateway.url + path, { model: 'large', stream: true });
    expect(answer.body.toString()).toBe(`: waiting\n\n${events}`);
  });

  it('and others get the status of what comes, however late', async () => {
    await using agent = await FakeOllama.start();
    agent.answers[path] = async (...to) => {
      await sleep(6000);
      json({ error: 'late' }, 500)(...to);
    };
    await using gateway = await startGateway(fleet([agent.url], 5));
    expect((await post(gateway.url + path, { model: 'large' })).status).toBe(500);
  });
});
