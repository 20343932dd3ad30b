import { type ChatResponse, Ollama, type Tool } from 'ollama';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { get, until } from './testing/client.ts';
import { ClientStack, Home } from './testing/client-stack.ts';

/** A pixel. */
const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const weather: Tool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

/** The only thing that can be said by this schema: a call, or what one of the structured outputs is. */
const call = {
  type: 'object',
  properties: {
    name: { type: 'string', enum: ['get_weather'] },
    parameters: { type: 'object', properties: { city: { type: 'string', enum: ['Paris'] } }, required: ['city'] },
  },
  required: ['name', 'parameters'],
};
const called = { name: 'get_weather', parameters: { city: 'Paris' } };

let stack: ClientStack;
beforeAll(async () => {
  stack = await ClientStack.start();
});
afterAll(() => stack?.[Symbol.asyncDispose]());

/** What Ollama was sent last on a path. */
const sent = (path: string) => JSON.parse(stack.tap.last(path).requestBody.toString());

/** Whether the gateway has heard that a model is loaded which the tests before have asked. */
const isResident = async () => (await get(`${stack.gateway.url}/api/ps`)).text.includes('team/summary:latest');

const lastStatus = () => stack.gateway.logged('request').at(-1)?.status;

describe('the ollama command', () => {
  let home: Home;
  beforeAll(() => {
    home = new Home();
  });
  afterAll(() => home?.[Symbol.dispose]());
  const ollama = (...args: string[]) => home.ollama(stack.gateway.url, ...args);

  it('run: answers a prompt, by key, name or alias', async () => {
    for (const model of ['summary', 'team/summary', 'gpt-4o-mini']) {
      const { code, stderr } = await ollama('run', '--verbose', model, 'What matters most?');
      expect({ code, stderr }).toMatchObject({ code: 0 });
      // What a random model says may well be blank: its tokens are counted.
      expect(stderr).toMatch(/^eval count: +16 token/m);
    }
  });

  it('run: answers in the JSON of a schema', async () => {
    const { code, stdout } = await ollama('run', 'tools', '--format', JSON.stringify(call), 'Paris?');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(called);
  });

  it('list: has every model under each of its names', async () => {
    const { code, stdout } = await ollama('list');
    expect(code).toBe(0);
    const names = stdout
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(/\s+/)[0]);
    expect(names).toEqual([
      'team/summary:latest',
      'gpt-4o-mini:latest',
      'team/tools:latest',
      'team/single:latest',
      'team/away:latest',
      'team/down:latest',
    ]);
  });

  it('ps: has what is loaded', async () => {
    await until(isResident);
    const { code, stdout } = await ollama('ps');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^NAME/);
    expect(stdout).toMatch(/^team\/summary:latest .* CPU /m);
  });

  it('show: tells of a model', async () => {
    const { code, stdout } = await ollama('show', 'tools');
    expect(code).toBe(0);
    expect(stdout).toMatch(/architecture\s+llama/);
    expect(stdout).toMatch(/Capabilities\s+completion\s+tools/);
  });

  it.each([
    ['pull', 'llama3'],
    ['push', 'summary'],
    ['cp', 'summary', 'mine'],
    ['rm', 'single'],
    ['run', 'nobody', 'hello'],
  ])('%s %s: is told where models come from', async (...args) => {
    const { code, stderr } = await ollama(...args);
    expect(code).toBe(1);
    expect(stderr).toContain('models of this fleet come from its registry');
  });
});

describe('the npm package ollama', () => {
  let ollama: Ollama;
  beforeAll(() => {
    ollama = new Ollama({ host: stack.gateway.url });
  });
  const messages = [{ role: 'user', content: 'Say "é𝄞"' }];
  const options = { num_predict: 12, temperature: 0, seed: 1 };

  it('chat', async () => {
    const answer = await ollama.chat({ model: 'summary', messages, options });
    expect(answer).toMatchObject({ model: 'team/summary:latest', done: true, done_reason: 'length', eval_count: 12 });
    expect(answer.message).toMatchObject({ role: 'assistant', content: expect.stringMatching(/./s) });
  });

  it('chat, as a stream', async () => {
    const chunks: ChatResponse[] = [];
    for await (const chunk of await ollama.chat({ model: 'summary', messages, options, stream: true }))
      chunks.push(chunk);
    expect(chunks.length).toBeGreaterThan(1);
    expect(chunks.map(({ done }) => done)).toEqual([...chunks.slice(1).map(() => false), true]);
    const whole = await ollama.chat({ model: 'summary', messages, options });
    expect(chunks.map(({ message }) => message.content).join('')).toBe(whole.message.content);
  });

  it('generate', async () => {
    const answer = await ollama.generate({ model: 'gpt-4o-mini', prompt: 'hello', options });
    expect(answer).toMatchObject({ done: true, response: expect.stringMatching(/./s) });
  });

  it('abort: ends the stream here and at the agent', async () => {
    const more = { ...options, num_predict: 100_000 };
    const stream = await ollama.chat({ model: 'summary', messages, options: more, stream: true });
    const reading = (async () => {
      for await (const _chunk of stream) stream.abort();
    })();
    await expect(reading).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    await until(() => lastStatus() === 499);
    await until(() => stack.agent.logged('request').at(-1)?.status === 499);
  });

  it('embed', async () => {
    const { embeddings } = await ollama.embed({ model: 'summary', input: ['one', 'two'] });
    expect(embeddings.map((vector) => vector.length)).toEqual([64, 64]);
  });

  it('list, show, ps and version', async () => {
    const { models } = await ollama.list();
    expect(models.map(({ name }) => name)).toContain('gpt-4o-mini:latest');
    expect((await ollama.show({ model: 'tools' })).details.family).toBe('llama');
    await until(isResident);
    expect((await ollama.ps()).models.map(({ name }) => name)).toContain('team/summary:latest');
    const own = await (await fetch(`${stack.ollama.url}/api/version`)).json();
    expect(await ollama.version()).toEqual(own);
  });

  it.each([false, true])('tools, as a stream: %s', async (stream) => {
    const more = { ...options, num_predict: 400 };
    const asked = { model: 'tools', messages, tools: [weather], format: call, options: more };
    const answers: ChatResponse[] = [];
    if (stream) for await (const chunk of await ollama.chat({ ...asked, stream })) answers.push(chunk);
    else answers.push(await ollama.chat(asked));
    const calls = answers.flatMap(({ message }) => message.tool_calls ?? []);
    expect(calls).toMatchObject([{ function: { name: 'get_weather', arguments: { city: 'Paris' } } }]);
    const [asst] = answers.map(({ message }) => message);
    const result = { role: 'tool', content: 'rain', tool_name: 'get_weather' };
    const next = await ollama.chat({ model: 'tools', messages: [...messages, asst!, result], options });
    expect(next.done).toBe(true);
  });

  it('structured output', async () => {
    const more = { ...options, num_predict: 400 };
    const answer = await ollama.chat({ model: 'summary', messages, format: call, options: more });
    expect(JSON.parse(answer.message.content)).toEqual(called);
  });

  it('images and keep_alive come to Ollama as they were sent', async () => {
    const asked = [{ role: 'user', content: 'What is this?', images: [image] }];
    await ollama.chat({ model: 'summary', messages: asked, keep_alive: '17m', options });
    expect(sent('/api/chat')).toMatchObject({ messages: asked, keep_alive: '17m' });
  });

  it('reports a model that there is not, and a change that is not to be made, with status and message', async () => {
    await expect(ollama.chat({ model: 'nobody', messages })).rejects.toMatchObject({
      ...{ name: 'ResponseError', status_code: 404, message: "model 'nobody' not found" },
    });
    const refused = { name: 'ResponseError', status_code: 403, message: expect.stringContaining('registry') };
    await expect(ollama.pull({ model: 'llama3' })).rejects.toMatchObject(refused);
    await expect(ollama.delete({ model: 'summary' })).rejects.toMatchObject(refused);
    await expect(ollama.create({ model: 'mine', from: 'summary' })).rejects.toMatchObject(refused);
  });
});

describe('the npm package openai', () => {
  let openai: OpenAI;
  beforeAll(() => {
    openai = new OpenAI({ baseURL: `${stack.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  const messages = [{ role: 'user' as const, content: 'Say "é𝄞"' }];
  const few = { messages, max_tokens: 12, temperature: 0, seed: 1 };
  const many = { ...few, max_tokens: 400 };
  // At temperature 0 a model may say nothing but halves of characters, of which Ollama sends none.
  const endless = { messages, max_tokens: 100_000, temperature: 1 };

  it('chat', async () => {
    const asked = openai.chat.completions.create({ model: 'gpt-4o-mini', ...few });
    const { data, response, request_id } = await asked.withResponse();
    const [choice] = data.choices;
    expect(choice).toMatchObject({ index: 0, finish_reason: 'length' });
    expect(choice!.message).toMatchObject({ role: 'assistant', content: expect.stringMatching(/./s) });
    expect(data.usage).toMatchObject({ completion_tokens: 12 });
    expect(response.headers.get('x-model-management-model')).toBe('summary');
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('chat, as a stream with its usage', async () => {
    const stream_options = { include_usage: true };
    const asked = { model: 'summary', ...few, stream: true as const, stream_options };
    let text = '';
    let tokens = 0;
    for await (const { choices, usage } of await openai.chat.completions.create(asked)) {
      text += choices[0]?.delta.content ?? '';
      tokens += usage?.completion_tokens ?? 0;
    }
    const whole = await openai.chat.completions.create({ model: 'summary', ...few });
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(tokens).toBe(12);
  });

  it('says which model has answered in the place of another', async () => {
    const { data, response } = await openai.chat.completions.create({ model: 'down', ...few }).withResponse();
    expect(data.model).toBe('team/summary:latest');
    expect(response.headers.get('x-model-management-model')).toBe('summary');
  });

  it('abort: ends the stream here and at the agent', async () => {
    const stream = await openai.chat.completions.create({ ...endless, model: 'summary', stream: true });
    for await (const _chunk of stream) stream.controller.abort();
    await until(() => lastStatus() === 499);
    await until(() => stack.agent.logged('request').at(-1)?.status === 499);
  });

  const response_format = { type: 'json_schema' as const, json_schema: { name: 'call', schema: call } };
  const tools = [weather] as OpenAI.ChatCompletionFunctionTool[];

  it('tools', async () => {
    const asked = { model: 'tools', ...many, tools, response_format };
    const { choices } = await openai.chat.completions.create(asked);
    expect(choices[0]!.finish_reason).toBe('tool_calls');
    const [made] = choices[0]!.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(made!.function.name).toBe('get_weather');
    expect(JSON.parse(made!.function.arguments)).toEqual({ city: 'Paris' });
    const result = { role: 'tool' as const, tool_call_id: made!.id, content: 'rain' };
    const next = { model: 'tools', ...few, messages: [...messages, choices[0]!.message, result] };
    expect((await openai.chat.completions.create(next)).choices).toHaveLength(1);
  });

  it('tools, as a stream that the package puts together', async () => {
    const stream = openai.chat.completions.stream({ model: 'tools', ...many, tools, response_format });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]!.message.tool_calls).toMatchObject([{ function: { name: 'get_weather' } }]);
  });

  it('structured output', async () => {
    const { choices } = await openai.chat.completions.create({ model: 'summary', ...many, response_format });
    expect(JSON.parse(choices[0]!.message.content!)).toEqual(called);
  });

  it('images come to Ollama as they were sent', async () => {
    const url = `data:image/png;base64,${image}`;
    const content = [{ type: 'image_url' as const, image_url: { url } }];
    await openai.chat.completions.create({ model: 'summary', ...few, messages: [{ role: 'user', content }] });
    expect(sent('/v1/chat/completions').messages[0].content).toEqual(content);
  });

  it('completions', async () => {
    const { choices } = await openai.completions.create({ model: 'summary', prompt: 'hello', max_tokens: 12 });
    expect(choices[0]!.text).not.toBe('');
  });

  it('embeddings, in the encoding that the package asks for by itself and as numbers', async () => {
    for (const encoding_format of [undefined, 'float' as const]) {
      const asked = { model: 'summary', input: ['one', 'two'], ...(encoding_format && { encoding_format }) };
      const { data } = await openai.embeddings.create(asked);
      expect(data.map(({ embedding }) => embedding.length)).toEqual([64, 64]);
      expect(data.flatMap(({ embedding }) => embedding).every(Number.isFinite)).toBe(true);
    }
  });

  it('models: lists and shows them under each of their names', async () => {
    const ids: string[] = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    expect(ids).toContain('gpt-4o-mini');
    for (const id of [...ids, 'summary']) expect((await openai.models.retrieve(id)).id).toBe(id);
  });

  it('reports what is wrong by the class, status and code of the error', async () => {
    const unknown = openai.chat.completions.create({ model: 'nobody', ...few });
    await expect(unknown).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(unknown).rejects.toMatchObject({
      ...{ status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' },
      requestID: expect.stringMatching(/./),
    });
    await expect(openai.models.retrieve('nobody')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const wrong = openai.chat.completions.create({ model: 'summary', messages: 'none' as never });
    await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(openai.models.delete('summary')).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    const large = openai.embeddings.create({ model: 'summary', input: 'x'.repeat(2 * 1024 ** 2) });
    await expect(large).rejects.toMatchObject({ status: 413 });
  });

  it('reports a full queue as a limit of the rate, with the time to come again', async () => {
    const running = await openai.chat.completions.create({ ...endless, model: 'single', stream: true });
    const refused = openai.chat.completions.create({ model: 'single', ...few });
    await expect(refused).rejects.toBeInstanceOf(OpenAI.RateLimitError);
    const error: InstanceType<typeof OpenAI.RateLimitError> = await refused.then(String, (error) => error);
    expect(error).toMatchObject({ status: 429, code: 'queue_full', message: expect.stringContaining('single') });
    expect(Number(error.headers.get('retry-after'))).toBeGreaterThan(0);
    running.controller.abort();
  });

  it('reports an error that comes when the stream has begun', async () => {
    // While the request waits for a replica, the gateway keeps the connection of its stream alive.
    const stream = await openai.chat.completions.create({ model: 'away', ...few, stream: true });
    const reading = (async () => {
      for await (const _chunk of stream);
    })();
    await expect(reading).rejects.toBeInstanceOf(OpenAI.APIError);
    await expect(reading).rejects.toThrow('the server of model away cannot be reached at the moment');
  });
});

describe('a server that breaks off in the middle of an answer', () => {
  /** As many answers to `go on` have begun: the longest takes some seconds. */
  const begun = (count: number, from: number) =>
    until(() => {
      const asked = stack.tap.seen.slice(from).filter(({ requestBody }) => requestBody.includes('go on'));
      return asked.filter(({ answerBody }) => answerBody.length > 0).length === count;
    });
  const crash = () => stack.ollama.crash();
  afterEach(async () => {
    await stack.ollama.up();
    await until(async () => (await get(`${stack.agent.url}/health/ready`)).status === 200);
  });

  const messages = [{ role: 'user' as const, content: 'go on' }];
  const byOllama = () =>
    new Ollama({ host: stack.gateway.url }).chat({
      ...{ model: 'summary', messages, stream: true, options: { num_predict: 100_000 } },
    });
  const byOpenAi = () =>
    new OpenAI({ baseURL: `${stack.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 }).chat.completions.create({
      ...{ model: 'summary', messages, max_tokens: 100_000, stream: true },
    });

  it.each([
    ['Ollama', byOllama],
    ['OpenAI', byOpenAi],
  ] as [string, () => Promise<AsyncIterable<unknown>>][])(
    'is an error to the SDK of %s, and no end',
    async (_name, ask) => {
      const from = stack.tap.seen.length;
      const stream = await ask();
      const reading = (async () => {
        for await (const _chunk of stream);
      })();
      const [settled] = await Promise.all([Promise.allSettled([reading]), begun(1, from).then(crash)]);
      expect(settled.map(({ status }) => status)).toEqual(['rejected']);
    },
  );

  it('is an error to the command', async () => {
    using home = new Home();
    const from = stack.tap.seen.length;
    const byCommand = home.ollama(stack.gateway.url, 'run', 'tools', 'go on');
    await begun(1, from);
    await crash();
    expect(await byCommand).toMatchObject({ code: 1, stderr: expect.stringContaining('Error') });
  });
});
