import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { until } from '../testing/client.ts';
import { Raw } from '../testing/raw.ts';
import { readBody } from './body.ts';
import type { ConnectionProblem } from './connections.ts';
import { Drain } from './drain.ts';
import { Refusal } from './errors.ts';
import { addDirectRoute, createApp, type HttpLimits } from './http.ts';
import { createLogger } from './logging.ts';

/** An app that notes which requests reach its routes, and what its connections did wrong. */
class Door implements AsyncDisposable {
  readonly app: FastifyInstance;
  readonly problems: ConnectionProblem[] = [];
  /** The bodies that the routes under /x have read. */
  readonly bodies: string[] = [];
  /** The answers of /held that wait, in the order in which they began to. */
  readonly held: { id: string; finish(): void }[] = [];
  url = '';

  private constructor(limits: Partial<HttpLimits>, addRoutes: (app: FastifyInstance) => void) {
    const log = createLogger('test', 'error');
    log.level = 'silent';
    this.app = createApp(log, new Drain(0, () => 0), {
      limits: { checkInterval: 20, ...limits },
      onConnectionProblem: (problem) => this.problems.push(problem),
    });
    const sizeOf = async (request: IncomingMessage) => {
      const body = await readBody(request, 1024 ** 2);
      this.bodies.push(body.toString('latin1'));
      return { size: body.length };
    };
    this.app.post('/api/x', ({ raw }) => sizeOf(raw));
    addDirectRoute(this.app, '/v1/x', async (request, response) => {
      response.end(JSON.stringify(await sizeOf(request)));
    });
    this.app.get<{ Params: { id: string } }>('/held/:id', ({ params: { id } }, reply) => {
      this.held.push({ id, finish: () => reply.send(id) });
    });
    this.app.get('/health/live', () => ({ ok: true }));
    addRoutes(this.app);
  }

  static async open(
    limits: Partial<HttpLimits> = {},
    addRoutes: (app: FastifyInstance) => void = () => {},
  ): Promise<Door> {
    const door = new Door(limits, addRoutes);
    await door.app.listen({ host: '127.0.0.1', port: 0 });
    door.url = `http://127.0.0.1:${(door.app.server.address() as AddressInfo).port}`;
    return door;
  }

  connect(): Promise<Raw> {
    return Raw.open(this.url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.app.server.closeAllConnections();
    await this.app.close();
  }
}

const host = 'Host: gateway\r\n';
const post = (path: string, body: string, headers = '') =>
  `POST ${path} HTTP/1.1\r\n${host}${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n`;
const chunked = (headers: string, body: string) =>
  `POST /v1/x HTTP/1.1\r\n${host}${headers}\r\n${body}0\r\n\r\n${post('/v1/x', '"smuggled"')}`;
const te = 'Transfer-Encoding: chunked\r\n';

describe('requests that two parsers might read differently', () => {
  it.each<[string, string, number]>([
    ['a length and chunks', chunked(`Content-Length: 4\r\n${te}`, '2\r\n{}\r\n'), 400],
    ['chunks and a length', chunked(`${te}Content-Length: 4\r\n`, '2\r\n{}\r\n'), 400],
    ['two lengths', post('/v1/x', '{}', 'Content-Length: 40\r\n'), 400],
    ['the same length twice', post('/v1/x', '{}', 'Content-Length: 2\r\n'), 400],
    ['a list of lengths', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: 2, 2\r\n\r\n{}`, 400],
    ['a length with a sign', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: +2\r\n\r\n{}`, 400],
    ['a length below nothing', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: -2\r\n\r\n{}`, 400],
    ['a length in hexadecimal digits', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: 0x2\r\n\r\n{}`, 400],
    ['a length beyond all numbers', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: ${'9'.repeat(30)}\r\n\r\n{}`, 400],
    ['no length', `POST /v1/x HTTP/1.1\r\n${host}Content-Length:\r\n\r\n{}`, 400],
    ['a space before the colon', `POST /v1/x HTTP/1.1\r\n${host}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a folded header', post('/v1/x', '{}', 'X-A: b\r\n c\r\n'), 400],
    ['a folded encoding', chunked('Transfer-Encoding:\r\n chunked\r\n', '2\r\n{}\r\n'), 400],
    ['bare line feeds', post('/v1/x', '{}').replaceAll('\r\n', '\n'), 400],
    ['a bare line feed among the headers', post('/v1/x', '{}', 'X-A: b\nX-B: c\r\n'), 400],
    ['a bare carriage return', post('/v1/x', '{}', 'X-A: b\rX-B: c\r\n'), 400],
    ['a NUL in a header', post('/v1/x', '{}', 'X-A: b\0c\r\n'), 400],
    ['chunks ended by line feeds', chunked(te, '2\n{}\n'), 400],
    ['a chunk size with 0x', chunked(te, '0x2\r\n{}\r\n'), 400],
    ['a chunk size with a sign', chunked(te, '-2\r\n{}\r\n'), 400],
    ['a chunk size beyond all numbers', chunked(te, `${'f'.repeat(17)}\r\n{}\r\n`), 400],
    ['a chunk that goes on', chunked(te, '2\r\n{}{}\r\n'), 400],
    ['a line feed in a chunk extension', chunked(te, '2;a\nb\r\n{}\r\n'), 400],
    ['a chunk extension without end', chunked(te, `2;${'a'.repeat(20_000)}\r\n{}\r\n`), 413],
    ['an encoding that is none', chunked('Transfer-Encoding: xchunked\r\n', '2\r\n{}\r\n'), 501],
    ['an encoding besides chunked', chunked('Transfer-Encoding: gzip, chunked\r\n', '2\r\n{}\r\n'), 501],
    ['another encoding', chunked('Transfer-Encoding: gzip\r\n', '2\r\n{}\r\n'), 501],
    ['chunked before another encoding', chunked('Transfer-Encoding: chunked, identity\r\n', '2\r\n{}\r\n'), 400],
    ['chunked twice', chunked(te + te, '2\r\n{}\r\n'), 400],
    ['chunked behind a vertical tab', chunked('Transfer-Encoding: \x0bchunked\r\n', '2\r\n{}\r\n'), 400],
    ['chunks in HTTP/1.0', chunked(te, '2\r\n{}\r\n').replace('HTTP/1.1', 'HTTP/1.0'), 400],
    ['two hosts', post('/v1/x', '{}', host), 400],
    ['no host', post('/v1/x', '{}').replace(host, ''), 400],
    ['HTTP/0.9 by name', 'GET /v1/x HTTP/0.9\r\n\r\n', 505],
    ['HTTP/2 by name', post('/v1/x', '{}').replace('HTTP/1.1', 'HTTP/2.0'), 505],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 505],
    ['a version that does not exist', post('/v1/x', '{}').replace('HTTP/1.1', 'HTTP/1.2'), 400],
    ['a method that does not exist', 'FOO /v1/x HTTP/1.1\r\n\r\n', 400],
    ['a tunnel', `CONNECT /v1/x HTTP/1.1\r\n${host}\r\n`, 405],
    ['an expectation of its own', post('/v1/x', '{}', 'Expect: miracles\r\n'), 417],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['a header of 17 KiB', post('/v1/x', '{}', `X-A: ${'a'.repeat(17 * 1024)}\r\n`), 431],
    ['101 headers', post('/v1/x', '{}', 'X-A: b\r\n'.repeat(99)), 431],
    ['a path of 17 KiB', post(`/v1/${'a'.repeat(17 * 1024)}`, '{}'), 431],
  ])('with %s: one error, then the end of the connection', async (_title, text, status) => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(Buffer.from(text, 'latin1'));
    const answers = await raw.ended();
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(answers[0]!.headers).toMatchObject({ connection: 'close' });
    // In the dialect of the path, where there is one.
    const { error } = JSON.parse(answers[0]!.body.toString());
    expect(typeof (error.message ?? error)).toBe('string');
    if (/^\w+ \/v1\/x /.test(text)) expect(error.type).toBe(status < 500 ? 'invalid_request_error' : 'api_error');
    expect(door.bodies).toEqual([]);
  });

  it.each<[string, string]>([
    ['100 headers', post('/api/x', '{}', 'X-A: b\r\n'.repeat(98))],
    ['chunks', `POST /api/x HTTP/1.1\r\n${host}${te}\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\nX-Trailer: a\r\n\r\n`],
    ['the whole address', post('http://elsewhere/api/x?y', '{}')],
    ['the wish to upgrade', post('/api/x', '{}', 'Connection: Upgrade\r\nUpgrade: h2c\r\n')],
    ['empty lines before it', `\r\n\r\n${post('/api/x', '{}')}`],
    ['HTTP/1.0 and no host', 'POST /api/x HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}'],
  ])('with %s: is taken', async (_title, text) => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(text);
    expect(await raw.answer()).toMatchObject({ status: 200 });
    expect(door.bodies).toEqual(['{}']);
  });

  it('tells a client to go on that asks before it sends its body', async () => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(
      `POST /api/x HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    );
    await until(() => raw.received.toString() === 'HTTP/1.1 100 Continue\r\n\r\n');
    raw.write('{}');
    expect(await raw.answer()).toMatchObject({ status: 200 });
  });

  it('answers a path that is none in the dialect that it begins with', async () => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(post('/v1/%zz', '{}'));
    const { status, body } = (await raw.answer())!;
    expect([status, JSON.parse(body.toString()).error.type]).toEqual([400, 'invalid_request_error']);
  });

  it('gives the error to a client that goes on writing', async () => {
    await using door = await Door.open();
    using raw = await door.connect();
    raw.write('nonsense\r\n\r\n', Buffer.alloc(4 * 1024 ** 2, 'x'));
    const [answer] = await raw.ended();
    expect(answer!.status).toBe(400);
  });

  it('never writes an error into an answer that has begun, or before one that is under way', async () => {
    await using door = await Door.open({}, (app) =>
      app.get('/endless', (_request, reply) => {
        reply.hijack().raw.writeHead(200).write('one');
      }),
    );
    using open = (await door.connect()).write(get('/endless'));
    await until(() => open.received.includes('one'));
    open.write('nonsense\r\n\r\n');
    await expect(open.ended()).rejects.toThrow('an answer that is cut short');
    expect(open.received.toString()).not.toContain('400');
    using waiting = (await door.connect()).write(get('/held/a'));
    await until(() => door.held.length === 1);
    waiting.write('nonsense\r\n\r\n');
    expect(await waiting.ended()).toEqual([]);
  });
});

// Most of it is waiting: they wait together.
describe.concurrent('clients that are slow', () => {
  it.each<[string, string, string]>([
    ['nothing at all', '', '/'],
    ['half a head', `POST /v1/x HTTP/1.1\r\n${host}`, '/'],
    ['half a body', `POST /v1/x HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\n{`, '/v1/'],
    ['half a chunk', `POST /v1/x HTTP/1.1\r\n${host}${te}\r\n9\r\n{`, '/v1/'],
  ])('are told so after having sent %s', async (_title, text, dialect) => {
    await using door = await Door.open({ headersTimeout: 150, requestTimeout: 200 });
    using raw = (await door.connect()).write(text);
    const [answer] = await raw.ended();
    expect(answer!.status).toBe(408);
    const { error } = JSON.parse(answer!.body.toString());
    expect(dialect === '/' ? error : error.message).toBe('the request did not arrive in time');
    expect(door.problems).toEqual(['slow']);
  });

  it('are told so when they send a byte now and then', async () => {
    await using door = await Door.open({ headersTimeout: 150, requestTimeout: 300 });
    using raw = await door.connect();
    const began = performance.now();
    for (const byte of `${post('/api/x', '{}', 'X-A: b\r\n'.repeat(80))}`) {
      if (raw.isClosed) break;
      raw.write(byte);
      await sleep(20);
    }
    expect((await raw.ended())[0]!.status).toBe(408);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(door.bodies).toEqual([]);
  });

  it('are not waited for when they take nothing of their answer', async () => {
    const flood = Buffer.alloc(64 * 1024 ** 2, 'x');
    await using door = await Door.open({ stallTimeout: 300 }, (app) =>
      app.get('/flood', (_, reply) => reply.send(flood)),
    );
    using raw = await door.connect();
    raw.socket.pause();
    raw.write(get('/flood'));
    await until(() => door.problems.length > 0);
    expect(door.problems).toEqual(['stalled']);
    raw.socket.resume();
    await expect(raw.ended()).rejects.toThrow('an answer that is cut short');
  });

  it('are waited for as long as they take a little now and then', async () => {
    const flood = Buffer.alloc(32 * 1024 ** 2, 'x');
    await using door = await Door.open({ stallTimeout: 600 }, (app) =>
      app.get('/flood', (_, reply) => reply.send(flood)),
    );
    using raw = await door.connect();
    let taken = 0;
    raw.socket.on('data', (chunk) => {
      taken += chunk.length;
      if (taken < 512 * 1024) return;
      taken = 0;
      raw.socket.pause();
      setTimeout(() => raw.socket.resume(), 50);
    });
    raw.write(get('/flood'));
    await until(() => raw.socket.bytesRead > flood.length);
    await sleep(100);
    expect(raw.answers()[0]!.body).toHaveLength(flood.length);
    expect(door.problems).toEqual([]);
  });

  it('do not have to do anything while their answer takes long, before its first byte or between two', async () => {
    let finish = () => {};
    await using door = await Door.open({ stallTimeout: 500 }, (app) =>
      app.get('/slow', (_request, reply) => {
        const { raw } = reply.hijack();
        setTimeout(() => raw.writeHead(200).write('one'), 1300);
        finish = () => raw.end('two');
      }),
    );
    using raw = (await door.connect()).write(get('/slow'));
    await until(() => raw.received.includes('one'));
    await sleep(1300);
    finish();
    expect((await raw.answer())!.body.toString()).toBe('onetwo');
    expect(door.problems).toEqual([]);
  });

  it('do not keep a connection that they do not use', async () => {
    await using door = await Door.open({ stallTimeout: 100 });
    door.app.server.keepAliveTimeout = 100;
    door.app.server.keepAliveTimeoutBuffer = 0;
    using raw = (await door.connect()).write(post('/api/x', '{}'));
    expect(await raw.ended()).toHaveLength(1);
    expect(door.problems).toEqual([]);
  });
});

describe('several requests on one connection', () => {
  it('are served one after the other, in their order', async () => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(
      get('/held/a') + get('/held/b') + post('/api/x', '{}') + get('/v1/nothing'),
    );
    await until(() => door.held.length === 1);
    await sleep(50);
    expect([door.held.map(({ id }) => id), door.bodies]).toEqual([['a'], []]);
    door.held[0]!.finish();
    await until(() => door.held.length === 2);
    door.held[1]!.finish();
    await until(() => raw.received.includes('not offered'));
    expect(raw.answers().map(({ status, body }) => [status, body.toString().slice(0, 10)])).toEqual([
      [200, 'a'],
      [200, 'b'],
      [200, '{"size":2}'],
      [404, '{"error":{'],
    ]);
  });

  it('are forgotten when the client leaves', async () => {
    await using door = await Door.open();
    {
      using raw = (await door.connect()).write(get('/held/a') + get('/held/b'));
      await until(() => door.held.length === 1);
      raw.socket.destroy();
    }
    await until(
      () => new Promise((resolve) => door.app.server.getConnections((_error, count) => resolve(count === 0))),
    );
    await sleep(50);
    expect(door.held.map(({ id }) => id)).toEqual(['a']);
  });

  it('are no more than a few at a time', async () => {
    await using door = await Door.open();
    using raw = (await door.connect()).write(get('/held/a').repeat(100));
    expect(await raw.ended()).toEqual([]);
    expect(door.held).toHaveLength(1);
    expect(door.problems[0]).toBe('malformed');
  });
});

describe('more connections than there may be', () => {
  it('are told to try again, while health checks are answered, until others have gone', async () => {
    await using door = await Door.open({ maxConnections: 2 });
    const first = await door.connect();
    using second = await door.connect();
    expect(await second.write(post('/api/x', '{}')).answer()).toMatchObject({ status: 200 });
    using third = await door.connect();
    third.write(post('/v1/x', '{}'));
    const [answer] = await third.ended();
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
    expect(JSON.parse(answer!.body.toString()).error.message).toBe('there are too many connections at the moment');
    using health = await door.connect();
    expect(await health.write(get('/health/live')).answer()).toMatchObject({ status: 200 });
    expect(door.problems).toEqual(['crowd']);
    first.socket.destroy();
    health.socket.destroy();
    await until(async () => {
      using again = await door.connect();
      return (await again.write(post('/api/x', '{}')).answer())?.status === 200;
    });
    expect(door.bodies).toEqual(['{}', '{}']);
  });

  it('are closed at once beyond those that can be told', async () => {
    await using door = await Door.open({ maxConnections: 1 });
    const held = await Promise.all(Array.from({ length: 70 }, () => door.connect()));
    try {
      await until(() => held.filter(({ isClosed }) => isClosed).length === 5);
      expect(door.problems).toEqual(Array(5).fill('crowd'));
    } finally {
      for (const raw of held) raw.socket.destroy();
    }
  });

  it('are closed when they say nothing', async () => {
    await using door = await Door.open({ maxConnections: 0 });
    using silent = await door.connect();
    const began = performance.now();
    expect(await silent.ended()).toEqual([]);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});

it('takes no more large bodies at a time than there is memory for, and goes on with small ones', async () => {
  await using door = await Door.open({ bodyMemory: 256 * 1024 });
  const large = 'x'.repeat(100 * 1024);
  using slow = (await door.connect()).write(
    `POST /api/x HTTP/1.1\r\n${host}Content-Length: 300000\r\n\r\n`,
    large,
    large,
  );
  const statusOf = async (body: string) => {
    using raw = (await door.connect()).write(post('/api/x', body));
    const { status, headers } = (await raw.answer())!;
    return status === 503 ? `503 after ${headers['retry-after']}` : status;
  };
  await until(async () => (await statusOf(large)) === '503 after 1');
  expect(await statusOf('{}')).toBe(200);
  slow.write('x'.repeat(300_000 - 2 * large.length));
  expect((await slow.answer())!.status).toBe(200);
  await until(async () => (await statusOf(large)) === 200);
});

it('says with a 401 how to say who one is', async () => {
  await using door = await Door.open({}, (app) =>
    app.get('/refused', () => {
      throw new Refusal(401, 'an API key is required');
    }),
  );
  const answer = await fetch(`${door.url}/refused`);
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
});
