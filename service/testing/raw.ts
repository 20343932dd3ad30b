import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An answer as it came over the wire. */
export interface RawAnswer {
  status: number;
  /** By lower-case name. */
  headers: Record<string, string>;
  body: Buffer;
}

/** A connection on which a test writes bytes as they are, well-formed or not. */
export class Raw implements Disposable {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<unknown>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#chunks.push(chunk));
    // The other side may end it in the middle of anything.
    socket.on('error', () => {});
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
  }

  static async open(url: string): Promise<Raw> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new Raw(socket);
  }

  write(...parts: (string | Buffer)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  get isClosed(): boolean {
    return this.socket.closed;
  }

  /** Everything that came so far. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Resolves when something has come, or nothing can come any more. */
  async something(): Promise<void> {
    if (this.#chunks.length === 0)
      await Promise.race([new Promise((resolve) => this.socket.once('data', resolve)), this.#closed]);
  }

  /** Resolves when the connection is closed on both sides. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  /** Waits until the other side has closed the connection, and gives what it answered; throws where that is no HTTP. */
  async ended(): Promise<RawAnswer[]> {
    await this.#closed;
    return this.answers();
  }

  /** The answers so far, and what is there of one that is not whole; throws where they are no HTTP. */
  get parsed(): { answers: RawAnswer[]; rest: Buffer } {
    const answers: RawAnswer[] = [];
    let rest = this.received;
    for (let next = parseAnswer(rest); next; next = parseAnswer(rest)) {
      answers.push(next.answer);
      rest = rest.subarray(next.length);
    }
    return { answers, rest };
  }

  /** The answers so far; throws where they are no HTTP, or the last is not whole. */
  answers(): RawAnswer[] {
    const { answers, rest } = this.parsed;
    if (rest.length === 0) return answers;
    throw new Error(`an answer that is cut short: ${JSON.stringify(rest.toString('latin1', 0, 500))}`);
  }

  /** Waits for the first answer that is whole, or for the end of the connection without one. */
  async answer(): Promise<RawAnswer | undefined> {
    for (;;) {
      const parsed = parseAnswer(this.received);
      if (parsed) return parsed.answer;
      if (this.isClosed) return undefined;
      await Promise.race([once(this.socket, 'data'), this.#closed]);
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/**
 * The answer that some bytes begin with, read as strictly as HTTP allows, and its length; undefined while it is not whole.
 * Interim answers (100) are stepped over.
 */
export function parseAnswer(bytes: Buffer): { answer: RawAnswer; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [first, ...lines] = bytes.toString('latin1', 0, headEnd).split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-5][0-9][0-9]) [ -~]+$/.exec(first!)?.[1]);
  if (!status) throw new Error(`no status line: ${JSON.stringify(first)}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || name.toLowerCase() in headers) throw new Error(`a bad header: ${JSON.stringify(line)}`);
    headers[name.toLowerCase()] = value!;
  }
  const bodyStart = headEnd + 4;
  if (status < 200) {
    const next = parseAnswer(bytes.subarray(bodyStart));
    return next && { answer: next.answer, length: bodyStart + next.length };
  }
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  if (length !== undefined && encoding === undefined && /^[0-9]+$/.test(length)) {
    const end = bodyStart + Number(length);
    if (bytes.length < end) return undefined;
    return { answer: { status, headers, body: bytes.subarray(bodyStart, end) }, length: end };
  }
  if (encoding !== 'chunked' || length !== undefined)
    throw new Error(`an answer of no length: ${JSON.stringify(headers)}`);
  const chunks: Buffer[] = [];
  for (let at = bodyStart; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const line = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`a bad chunk size: ${JSON.stringify(line)}`);
    const [start, end] = [lineEnd + 2, lineEnd + 2 + Number.parseInt(line, 16)];
    if (bytes.length < end + 2) return undefined;
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Error('a chunk that goes on after its end');
    if (start === end) return { answer: { status, headers, body: Buffer.concat(chunks) }, length: end + 2 };
    chunks.push(bytes.subarray(start, end));
    at = end + 2;
  }
}
