import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get, jsonOf, open, post, until } from './testing/client.ts';
import { type Stack, startStack, startTappedStack } from './testing/stack.ts';

const options = { num_predict: 12, seed: 1, temperature: 0 };
const messages = [{ role: 'user', content: 'Say "é𝄞"' }];
/** Seconds of generation; at temperature 0 Ollama would end it as soon as the model repeats itself. */
const endless = { model: 'small', prompt: 'go on', options: { num_predict: 100_000, seed: 1, temperature: 1 } };

/** CPU time in ticks that a process and its children, the runners of an Ollama, have used. */
async function ticks(pid: number): Promise<number> {
  let sum = 0;
  for (const id of await readdir('/proc')) {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // The process group is the one that the Ollama leads.
    if (Number(fields[2]) === pid) sum += Number(fields[11]) + Number(fields[12]);
  }
  return sum;
}

describe('through gateway and agent to a real Ollama', () => {
  let stack: Awaited<ReturnType<typeof startTappedStack>>;
  beforeAll(async () => {
    stack = await startTappedStack();
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());

  const requests: [string, object][] = [
    ['/api/generate', { prompt: 'hello', options }],
    ['/api/generate', { prompt: 'hello', options, stream: false }],
    ['/api/chat', { messages, options }],
    ['/api/chat', { messages, options, stream: false }],
    ['/api/embed', { input: ['a', 'b'] }],
    ['/api/embeddings', { prompt: 'a' }],
    ['/api/show', {}],
    ['/v1/chat/completions', { messages, max_tokens: 12, stream: true, stream_options: { include_usage: true } }],
    ['/v1/chat/completions', { messages, max_tokens: 12 }],
    ['/v1/completions', { prompt: 'hello', max_tokens: 12, stream: true }],
    ['/v1/completions', { prompt: 'hello', max_tokens: 12 }],
    ['/v1/embeddings', { input: 'a' }],
  ];

  it.each(requests)('%s %j: the answer is what Ollama sent, byte for byte', async (path, body) => {
    const sent = JSON.stringify({ ...body, model: 'team/small' }, null, 1);
    const { status, headers, body: received } = await post(stack.gateway.url + path, sent);
    const tapped = stack.tap.last(path);
    expect(status).toBe(200);
    expect(tapped.requestBody.toString()).toBe(sent);
    expect(received.length).toBeGreaterThan(10);
    expect(received.equals(tapped.answerBody)).toBe(true);
    const streams = received.toString().split('\n').length > 3;
    const type = !streams ? 'application/json' : path.startsWith('/v1/') ? 'text/event-stream' : 'application/x-ndjson';
    expect(headers['content-type']).toMatch(type);
  });

  it('gives Ollama its own name for the model when the client wrote the key, and no header but the allowed ones', async () => {
    const headers = { authorization: 'Bearer x', cookie: 'a=b', origin: 'http://evil.example', 'x-request-id': 'mine' };
    const answer = await post(
      `${stack.gateway.url}/api/generate`,
      { model: 'small', prompt: 'a', options, stream: false },
      headers,
    );
    expect(jsonOf(answer)).toMatchObject({ model: 'team/small:latest', done: true });
    const { requestHeaders, requestBody } = stack.tap.last('/api/generate');
    expect(JSON.parse(requestBody.toString()).model).toBe('team/small:latest');
    const { host, connection, ...passed } = requestHeaders;
    expect(passed).toEqual({ 'content-length': String(requestBody.length), 'x-request-id': 'mine' });
  });

  it.each([
    ['what Ollama finds wrong in a body', '/api/generate', { model: 'small', prompt: 7 }, 400],
    ['the same in the other dialect', '/v1/chat/completions', { model: 'small', messages: 'none' }, 400],
    [
      'a tool for a model that has none',
      '/api/chat',
      {
        model: 'small',
        messages,
        tools: [
          {
            type: 'function',
            function: { name: 'f', description: '', parameters: { type: 'object', properties: {}, required: [] } },
          },
        ],
      },
      400,
    ],
  ])('passes on %s as Ollama says it', async (_title, path, body, status) => {
    const answer = await post(stack.gateway.url + path, body);
    expect(answer.status).toBe(status);
    expect(answer.body.equals(stack.tap.last(path).answerBody)).toBe(true);
    expect(jsonOf(answer)).toHaveProperty('error');
  });

  it('lists what Ollama has, with its details', async () => {
    const own = JSON.parse((await get(`${stack.ollama.url}/api/tags`)).text);
    expect(JSON.parse((await get(`${stack.gateway.url}/api/tags`)).text)).toEqual(own);
    const ownList = JSON.parse((await get(`${stack.ollama.url}/v1/models`)).text);
    expect(JSON.parse((await get(`${stack.gateway.url}/v1/models`)).text)).toEqual(ownList);
    const path = '/v1/models/team%2Fsmall';
    expect(JSON.parse((await get(stack.gateway.url + path)).text)).toMatchObject({
      id: 'team/small',
      object: 'model',
      owned_by: 'team',
    });
    expect((await get(`${stack.gateway.url}/api/version`)).text).toBe(
      (await get(`${stack.ollama.url}/api/version`)).text,
    );
  });

  it('streams while Ollama generates, and stops it at once when the client leaves', async () => {
    const answer = await open(`${stack.gateway.url}/api/generate`, endless);
    await new Promise((resolve) => answer.once('data', resolve));
    answer.destroy();
    const pid = stack.ollama.pid;
    await until(async () => {
      const before = await ticks(pid);
      await sleep(300);
      // A runner that still generates uses a core: some thirty ticks in that time.
      return (await ticks(pid)) - before <= 3;
    }, 3000);
    await until(() => stack.gateway.logged('request').at(-1)?.status === 499);
    await until(() => stack.agent.logged('request').at(-1)?.status === 499);
  });

  it('a drain of the agent lets a real stream finish, and answers only then', async () => {
    const answer = await open(`${stack.gateway.url}/api/generate`, {
      ...endless,
      options: { ...endless.options, num_predict: 300 },
    });
    await new Promise((resolve) => answer.once('data', resolve));
    const drain = get(`${stack.agent.url}/drain`);
    let last = '';
    for await (const chunk of answer) last = String(chunk);
    expect(last).toContain('"done":true');
    expect((await drain).text).toBe('{"drained":true,"inFlight":0}');
    await until(() => stack.agent.logged('drained').length === 1);
    const lines = stack.agent.logs.slice(stack.agent.logs.findIndex(({ msg }) => msg === 'draining'));
    expect(lines.map(({ msg }) => msg)).toEqual(['draining', 'request', 'drained']);
    expect(lines[0]).toMatchObject({ inFlight: 1 });
    for (const hop of [stack.gateway, stack.agent]) {
      hop.signal('SIGTERM');
      expect(await hop.ended()).toBe(0);
    }
  });
});

describe('when Ollama does not do as usual', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack();
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());

  const ready = async () => (await get(`${stack.agent.url}/health/ready`)).status;
  const loads = () => stack.agent.logged('loaded').length;

  it('notices that it hangs, without taking its models for lost', async () => {
    const before = loads();
    process.kill(stack.ollama.pid, 'SIGSTOP');
    try {
      await until(async () => (await get(`${stack.agent.url}/health/live`)).status === 503);
      expect(await ready()).toBe(503);
    } finally {
      process.kill(stack.ollama.pid, 'SIGCONT');
    }
    await until(async () => (await ready()) === 200);
    expect(loads()).toBe(before);
  });

  it('cuts the streams of one that crashes, is not ready, and loads again when the next is there', async () => {
    const before = loads();
    const answer = await open(`${stack.gateway.url}/api/generate`, endless);
    await new Promise((resolve) => answer.once('data', resolve));
    const cut = new Promise((resolve) => answer.once('error', resolve));
    await stack.ollama.crash();
    expect(await cut).toMatchObject({ message: 'aborted' });
    await until(async () => (await ready()) === 503, 1000);
    const refused = await post(`${stack.gateway.url}/api/generate`, { model: 'small', prompt: 'a' });
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    await stack.ollama.up();
    await until(async () => (await ready()) === 200);
    await until(() => loads() === before + 1);
    const answered = await post(`${stack.gateway.url}/api/generate`, {
      model: 'small',
      prompt: 'a',
      options,
      stream: false,
    });
    expect(answered.status).toBe(200);
  });

  // The kubelet calls a preStop hook also when it ends an Ollama whose probes fail, and then starts another in the pod.
  it('ends when another Ollama comes up in its pod after a drain, to be started anew', async () => {
    await get(`${stack.agent.url}/drain`);
    await stack.ollama.crash();
    await until(() => stack.agent.logged('Ollama does not answer').length > 0);
    expect(await ready()).toBe(503);
    await stack.ollama.up();
    expect(await stack.agent.ended()).toBe(0);
    expect(
      stack.agent.logged('another Ollama after a drain: this agent ends, and the next one serves it'),
    ).toHaveLength(1);
  });
});
