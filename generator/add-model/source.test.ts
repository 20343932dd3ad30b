import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { type Listening, listen } from '../../ci/testing/range-server.ts';
import { openSource } from './source.ts';

const content = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));

/** A server that has the content, by ranges. */
async function serving(folder: string): Promise<Listening> {
  const file = path.join(folder, 'content');
  await writeFile(file, content);
  return listen(file);
}

async function answeredBy(handler: RequestListener): Promise<Listening> {
  return listen(createServer(handler));
}

async function refusalOf(place: string): Promise<string> {
  try {
    await using source = await openSource(place);
    await source.read(0, 100);
    return 'none';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a file', () => {
  it('is read in parts, and has an end', async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, 'a.gguf');
    await writeFile(file, content);
    await using source = await openSource(file);
    expect(source.size).toBe(5000);
    expect(await source.read(100, 3)).toEqual(content.subarray(100, 103));
    expect(await source.read(4990, 100)).toEqual(content.subarray(4990));
    expect(await source.read(6000, 10)).toHaveLength(0);
  });

  it('is refused where there is none, or a folder, or what has no end', async () => {
    await using folder = await temporaryFolder();
    expect(await refusalOf(path.join(folder.path, 'none'))).toMatch(
      /none: there is no such file: name a GGUF file or its URL$/,
    );
    expect(await refusalOf(folder.path)).toMatch(/: is no file: name a GGUF file or its URL$/);
    expect(await refusalOf('/dev/zero')).toBe('/dev/zero: is no file: name a GGUF file or its URL');
  });
});

describe('an address', () => {
  it('is read in parts, by ranges', async () => {
    await using folder = await temporaryFolder();
    await using server = await serving(folder.path);
    await using source = await openSource(`${server.url}/a.gguf`);
    expect(source.size).toBe(5000);
    expect(await source.read(100, 3)).toEqual(content.subarray(100, 103));
    expect(await source.read(4990, 100)).toEqual(content.subarray(4990));
    expect(server.ranges).toEqual(['bytes=0-0', 'bytes=100-102', 'bytes=4990-4999']);
  });

  it('is read where it leads to another host, as blobs of a registry do', async () => {
    await using folder = await temporaryFolder();
    await using blobs = await serving(folder.path);
    await using registry = await answeredBy((_request, response) => {
      response.writeHead(307, { location: `${blobs.url}/data` }).end();
    });
    await using source = await openSource(`${registry.url}/v2/library/a/blobs/sha256:0`);
    expect(await source.read(4000, 1000)).toEqual(content.subarray(4000));
    expect(blobs.ranges).toHaveLength(2);
  });

  it('is refused, and no more of it taken, where it sends everything whatever it is asked for', async () => {
    let sent = 0;
    await using server = await answeredBy((_request, response) => {
      response.writeHead(200);
      const zeros = createReadStream('/dev/zero');
      zeros.on('data', (chunk) => (sent += chunk.length));
      response.on('close', () => zeros.destroy());
      zeros.pipe(response);
    });
    expect(await refusalOf(server.url)).toMatch(
      /: does not send parts of the file \(HTTP ranges\): download it and name the file$/,
    );
    expect(sent).toBeLessThan(64 * 2 ** 20);
  });

  it('is refused where it sends another part, more, or less than it was asked for', async () => {
    const part = (range: string, body: Buffer) => (_request: unknown, response: Parameters<RequestListener>[1]) => {
      response.writeHead(206, { 'content-range': range }).end(body);
    };
    await using other = await answeredBy(part('bytes 5-5/5000', content.subarray(5, 6)));
    expect(await refusalOf(other.url)).toMatch(/: does not send parts of the file/);
    await using more = await answeredBy(part('bytes 0-0/5000', content));
    expect(await refusalOf(more.url)).toMatch(/: sends more than it was asked for/);
    await using less = await answeredBy(part('bytes 0-0/5000', Buffer.alloc(0)));
    expect(await refusalOf(less.url)).toMatch(/: broke off: run it again$/);
  });

  it('is refused where there is nothing, or nobody', async () => {
    await using server = await answeredBy((_request, response) => void response.writeHead(404).end());
    expect(await refusalOf(server.url)).toBe(`${server.url}: answers 404 Not Found`);
    const { url } = server;
    await server[Symbol.asyncDispose]();
    expect(await refusalOf(url)).toMatch(/: cannot be reached: .*ECONNREFUSED.*: check the address, or download/);
  });
});
