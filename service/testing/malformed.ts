import type { Random } from '../../ci/testing/random.ts';
import { modelRoutes } from '../shared/routes.ts';

/** Bytes that mean something to parsers. */
const marks = [
  ...['\r', '\n', '\r\n', '\0', '\t', ' ', ':', ';', ',', '"', '\\', '{', '}', '[', ']', '0', '-', '%'],
  ...['\x1f', '\x7f', '\x80', '\xff'],
];

const methods = [
  ...Array(8).fill('POST'),
  ...['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'PRI', 'post', 'QUERY', 'M-SEARCH', ''],
];

const paths = [
  ...modelRoutes,
  ...['/api/pull', '/api/tags', '/api/version', '/api/ps', '/v1/models', '/v1/models/team/small', '/health/live', '/'],
  ...['/nothing', '/drain', '*', '', '/api/chat?x=%00', '/api/%2e%2e/chat', '//api//chat', '/api/chat/', '/API/CHAT'],
  ...['/v1/models/%zz', '/v1/models/..%2f..', 'http://gateway/api/chat', '/api/chat#x'],
];

const versions = [...Array(12).fill('HTTP/1.1'), 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.10', 'HTTP/', ''];

const headerLines = [
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding : chunked', 'TE: trailers'],
  ...['Transfer-Encoding: identity', 'Transfer-Encoding:\r\n chunked', 'Content-Length: 0', 'Content-Length: 5'],
  ...['Content-Length: -1', 'Content-Length: 1e3', 'Content-Length: 99999999999999999999', 'Content-Length: 1, 1'],
  ...['Expect: 100-continue', 'Expect: nothing', 'Connection: close', 'Connection: Upgrade\r\nUpgrade: h2c'],
  ...['Connection: content-length, authorization', 'Host: other', 'Host:', 'X-Forwarded-For: 127.0.0.1'],
  ...['X-Request-Id: a\tb', 'X-Request-Id: fine', 'Cookie: a=b', 'Accept: \xe9', 'Accept: a\r\n b', 'Range: bytes=0-1'],
  ...['Content-Type: text/plain; x="\xff"', 'Content-Type: multipart/form-data; boundary=x', 'Content-Encoding: gzip'],
  ...['X-Model-Management-Model: gone', 'X-Model-Management-Priority: batch', 'X-Model-Management-Priority: urgent'],
  ...['X-Api-Key: other', 'Authorization: Basic eA==', `X-Long: ${'x'.repeat(20_000)}`],
  Array.from({ length: 120 }, (_, n) => `X-${n}: y`).join('\r\n'),
];

/** Bodies that are no JSON, or that decoders read in different ways, or that cost more than their size. */
const badBodies = [
  ...['', ' ', 'null', '[]', '"x"', '{', '{}', '{"model"', '{"model":', '{"model":}', '{"model":"small"'],
  ...['{"model":"small",}', '{"model":"small"}}', '{"model":"small"} x', '{model:"small"}', "{'model':'small'}"],
  ...['{"model":"small"/**/}', '\ufeff{"model":"small"}', '{"model":"small","Model":"gone"}'],
  ...['{"model":"gone","model":"small"}', '{"options":{},"option\u017f":{"num_ctx":1},"model":"small"}'],
  ...['{"model":7}', '{"model":null}', '{"model":["small"]}', '{"model":"\\ud800"}', '{"model":"small\\u0000"}'],
  ...['{"model":"../../small"}', '{"model":"small","x":NaN}', '{"model":"small","x":01}', '{"model":"small","x":"\n"}'],
  ...['{"model":"small","x":1e999999}', '{"model":"small","__proto__":{"x":1},"constructor":{},"toString":0}'],
  `{"model":"small","x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  `{"model":"small","x":${'{"a":'.repeat(5000)}`,
  `{"model":"${'/'.repeat(50_000)}"}`,
  `{"model":"small",${Array.from({ length: 3000 }, (_, n) => `"k${n}":0`).join()}}`,
  `{"${'k'.repeat(50_000)}":0,"model":"small"}`,
  `{"model":"small","x":"${'\\"'.repeat(50_000)}"}`,
];

/** What clients send that know the API key `key` and ask `prompt`, some of which mean no good and some have lost their minds. */
export class Malformed {
  readonly #random: Random;
  readonly #key: string;
  readonly #bodies: string[];

  constructor(random: Random, key: string, prompt: string) {
    this.#random = random;
    this.#key = key;
    this.#bodies = [
      { model: 'small', messages: [{ role: 'user', content: prompt }], stream: true },
      { model: 'TEAM/small:latest', prompt, options: { num_predict: 3, temperature: 1e-1 }, keep_alive: '5m' },
      { model: 'small', input: [prompt, 'é\n"\\'], encoding_format: 'float' },
      { model: 'gone', prompt },
    ].map((body) => JSON.stringify(body));
  }

  /** All the bytes of one connection. */
  next(): Buffer {
    const { of, below } = this.#random;
    const kind = below(10);
    if (kind < 4) return bytes(this.#mutated(this.#sound()));
    if (kind < 7) return bytes(this.#unsound());
    if (kind < 8) return bytes(this.#mutated(this.#unsound()));
    const several = Array.from({ length: 2 + below(4) }, () => this.#sound());
    several[below(several.length)] = this.#mutated(of([() => this.#sound(), () => this.#unsound()])());
    return bytes(several.join(''));
  }

  #sound(): string {
    const { of } = this.#random;
    return this.#request(`POST ${of(modelRoutes)} HTTP/1.1`, this.#headers(), of(this.#bodies));
  }

  /** A request each of whose parts may be one that no client should send. */
  #unsound(): string {
    const { of, below } = this.#random;
    const headers = this.#headers();
    for (let more = below(3); more > 0; more--) headers.splice(below(headers.length + 1), 0, of(headerLines));
    return this.#request(`${of(methods)} ${of(paths)} ${of(versions)}`, headers, of(of([this.#bodies, badBodies])));
  }

  #headers(): string[] {
    return ['Host: gateway', `Authorization: Bearer ${this.#key}`, 'Content-Type: application/json'];
  }

  #request(first: string, headers: string[], text: string): string {
    const { below } = this.#random;
    const body = Buffer.from(text).toString('latin1');
    if (below(3) > 0) return `${first}\r\n${headers.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const size = 1 + below(body.length + 1);
    let chunks = '';
    for (let at = 0; at < body.length; at += size) {
      const chunk = body.slice(at, at + size);
      chunks += `${chunk.length.toString(16)}${below(20) === 0 ? ';a="b' : ''}\r\n${chunk}\r\n`;
    }
    const trailer = below(10) === 0 ? 'Authorization: Bearer other\r\nContent-Length: 3\r\n' : '';
    return `${first}\r\n${headers.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n${trailer}\r\n`;
  }

  /** The text with a few changes. */
  #mutated(text: string): string {
    const { of, below } = this.#random;
    let result = text;
    for (let changes = 1 + below(4); changes > 0; changes--) {
      // What is wrong early matters to more that reads it.
      const at = below(1 + Math.min(result.length, of([400, result.length])));
      const [before, cut, after] = [
        result.slice(0, at),
        result.slice(at, at + below(of([2, 8, 64]))),
        result.slice(at),
      ];
      result = of([
        () => before + after.slice(cut.length),
        () => before + cut + after,
        () => before + of(marks) + after,
        () => before + of(marks) + after.slice(1),
        () => before + of(marks).repeat(1 + below(40)) + after,
        () => before + String.fromCharCode(below(256)) + after.slice(1),
        () => (below(4) === 0 ? before : result),
      ])();
    }
    return result;
  }
}

const bytes = (text: string) => Buffer.from(text, 'latin1');
