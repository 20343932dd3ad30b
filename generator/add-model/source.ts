import { open } from 'node:fs/promises';

/** Bytes that are read here and there, and not all of them. */
export interface ByteSource extends AsyncDisposable {
  /** Length in bytes. */
  readonly size: number;
  /** So many bytes from a place on; fewer at the end. */
  read(from: number, length: number): Promise<Buffer>;
}

/** A place to read from, in words of its own: `FILE` or `URL`, and what is wrong with it. */
const refusal = (place: string, problem: string) => new Error(`${place}: ${problem}`);

/** Opens a file, or an address of http or https. Throws where there is nothing that can be read in parts. */
export function openSource(place: string): Promise<ByteSource> {
  return /^https?:\/\//i.test(place) ? openUrl(place) : openFile(place);
}

async function openFile(file: string): Promise<ByteSource> {
  // A pipe would wait for whoever writes to it: files alone have a length and places.
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw refusal(file, error.code === 'ENOENT' ? 'there is no such file: name a GGUF file or its URL' : error.message);
  });
  const about = await handle.stat();
  if (!about.isFile()) {
    await handle.close();
    throw refusal(file, 'is no file: name a GGUF file or its URL');
  }
  return {
    size: about.size,
    async read(from, length) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, from);
      return buffer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Milliseconds that an answer may take. */
const patience = 30_000;

async function openUrl(url: string): Promise<ByteSource> {
  // The first bytes say how many there are.
  const { total } = await readRange(url, 0, 1);
  return {
    size: total,
    async read(from, length) {
      if (from >= total) return Buffer.alloc(0);
      return (await readRange(url, from, Math.min(length, total - from))).bytes;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/**
 * Some bytes of what is behind an address, as range request. Redirects are followed, as registries of models answer with them.
 * An answer that holds anything else is refused before it is read: it may be the whole model.
 */
async function readRange(url: string, from: number, length: number): Promise<{ bytes: Buffer; total: number }> {
  const range = `bytes=${from}-${from + length - 1}`;
  const signal = AbortSignal.timeout(patience);
  const answer = await fetch(url, { headers: { range, 'accept-encoding': 'identity' }, signal }).catch(
    (error: Error) => {
      const cause = error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
      throw refusal(url, `cannot be reached: ${cause}: check the address, or download the file and name that`);
    },
  );
  const said = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '');
  const [first, last, total] = (said ?? []).slice(1).map(Number);
  if (answer.status === 206 && first === from && last === from + length - 1) {
    const bytes = Buffer.alloc(length);
    let filled = 0;
    for await (const chunk of answer.body!) {
      if (filled + chunk.length > length)
        throw refusal(url, 'sends more than it was asked for: download the file and name that');
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled === length) return { bytes, total: total! };
    throw refusal(url, 'broke off: run it again');
  }
  await answer.body?.cancel();
  if (answer.ok) throw refusal(url, 'does not send parts of the file (HTTP ranges): download it and name the file');
  throw refusal(url, `answers ${answer.status} ${answer.statusText}`.trimEnd());
}
