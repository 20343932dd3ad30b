import { describe, expect, it } from 'vitest';
import { type GgufValue, ggufHeader, string, type Tensor, u32 } from '../../ci/testing/gguf.ts';
import { numbersFrom } from '../../ci/testing/random.ts';
import { tinyModel } from '../../service/testing/tiny-model.ts';
import { readHeader } from './header.ts';
import type { ByteSource } from './source.ts';

/** Bytes in memory as a source, which notes how far it was read. */
function memory(bytes: Buffer, size = bytes.length): ByteSource & { readTo: number; most: number } {
  const source = {
    size,
    readTo: 0,
    most: 0,
    async read(from: number, length: number) {
      source.readTo = Math.max(source.readTo, from + length);
      source.most = Math.max(source.most, length);
      return bytes.subarray(from, from + length);
    },
    async [Symbol.asyncDispose]() {},
  };
  return source;
}

const metadata: Record<string, GgufValue> = { 'general.architecture': string('llama'), 'llama.block_count': u32(2) };
const tensors: Tensor[] = [{ name: 'token_embd.weight', shape: [64, 100], type: 'Q4_0' }];
const whole = ggufHeader(metadata, tensors);
/** Where the header of `whole` has its counts. */
const at = { version: 4, tensors: 8, metadata: 16, firstKey: 24 };

/** The bytes of `whole` with a 64-bit number in another place. */
function patched(place: number, value: bigint): Buffer {
  const bytes = Buffer.from(whole);
  bytes.writeBigUInt64LE(value, place);
  return bytes;
}

/** Headers of other versions and orders of bytes, as far as two keys go. */
function ofVersion(version: number): Buffer {
  const length = (value: number) => {
    const buffer = Buffer.alloc(version === 1 ? 4 : 8);
    if (version === 1) buffer.writeUInt32LE(value);
    else buffer.writeBigUInt64LE(BigInt(value));
    return buffer;
  };
  const int = (value: number) => Buffer.from([value, 0, 0, 0]);
  const text = (value: string) => Buffer.concat([length(value.length), Buffer.from(value)]);
  const tensor = [text('t'), int(1), length(32), int(2), Buffer.alloc(8)];
  const keys = [
    text('general.architecture'),
    int(8),
    text('llama'),
    text('list'),
    int(9),
    int(4),
    length(2),
    int(7),
    int(8),
  ];
  return Buffer.concat([Buffer.from('GGUF'), int(version), length(1), length(2), ...keys, ...tensor, Buffer.alloc(64)]);
}

describe('a header', () => {
  it('is read to its end and no further', async () => {
    const tiny = tinyModel();
    const source = memory(tiny, 40e9);
    const { metadata: values, lengths, tensors: found, dataOffset, size } = await readHeader(source);
    expect(values.get('general.architecture')).toBe('llama');
    expect(values.get('llama.attention.head_count')).toBe(4);
    expect(lengths.get('tokenizer.ggml.tokens')).toBe(267);
    expect(found).toHaveLength(2 * 9 + 3);
    expect(found[0]).toEqual({ name: 'token_embd.weight', shape: [64, 267], type: 'F32', offset: 0 });
    expect(dataOffset + 4 * 64 * 267).toBe(dataOffset + found[1]!.offset);
    expect([size, source.most]).toEqual([40e9, 2 ** 20]);
  });

  it.each([1, 2, 3])('is read in version %i', async (version) => {
    const { metadata: values, tensors: found } = await readHeader(memory(ofVersion(version)));
    expect([values.get('general.architecture'), values.get('list')]).toEqual(['llama', [7, 8]]);
    expect(found).toEqual([{ name: 't', shape: [32], type: 'Q4_0', offset: 0 }]);
  });

  it('keeps of a long list how long it is', async () => {
    const long = { 'llama.long': { type: 'i32s', value: Array.from({ length: 5000 }, () => 1) } } as const;
    const header = await readHeader(memory(ggufHeader({ ...metadata, ...long }, tensors)));
    expect([header.metadata.has('llama.long'), header.lengths.get('llama.long')]).toEqual([false, 5000]);
  });
});

describe('what is no header is refused in one line:', () => {
  const most = 2n ** 64n - 1n;

  it.each<[string, Buffer, RegExp]>([
    ['another kind of file', Buffer.concat([Buffer.from('PK\u0003\u0004'), whole]), /^is no GGUF file: .* GGUF$/],
    ['an empty file', Buffer.alloc(0), /^is no GGUF file/],
    [
      'one for big-endian machines',
      Buffer.concat([whole.subarray(0, 4), Buffer.from([0, 0, 0, 3]), whole.subarray(8)]),
      /^is a GGUF file for big-endian machines/,
    ],
    [
      'version 0',
      Buffer.concat([whole.subarray(0, 4), Buffer.from([4, 0, 0, 0]), whole.subarray(8)]),
      /^has version 4 of GGUF: 1 to 3 are known$/,
    ],
    ['endless tensors', patched(at.tensors, most), /^has a length of 18446744073709551615: the file is broken$/],
    [
      'too many tensors',
      patched(at.tensors, 1_000_000n),
      /^claims to have 1000000 tensors: 65536 are the most that are read$/,
    ],
    ['too many keys', patched(at.metadata, 2n ** 40n), /^claims to have 1099511627776 keys: 4096 are the most/],
    ['more keys than it has', patched(at.metadata, 4000n), /^(ends within its header|has a (text|value|length) of)/],
    [
      'a key without end',
      patched(at.firstKey, 2n ** 50n),
      /^has a text of 1125899906842624 bytes: 1024 are the most that are read$/,
    ],
  ])('%s', async (_what, bytes, problem) => {
    const error = await readHeader(memory(bytes)).then(
      () => undefined,
      (caught: Error) => caught,
    );
    expect(error?.message).toMatch(problem);
    expect(error?.message).not.toContain('\n');
  });

  it('a list of words without end, however long the file is', async () => {
    const list = (length: bigint) => {
      const bytes = Buffer.from(ggufHeader({ words: { type: 'strings', value: ['a'] } }, []));
      bytes.writeBigUInt64LE(length, bytes.indexOf('words') + 5 + 4 + 4);
      return memory(bytes, 40e9);
    };
    await expect(readHeader(list(2n ** 60n))).rejects.toThrow(/^has a length of/);
    await expect(readHeader(list(2n ** 40n))).rejects.toThrow(/^ends within its header/);
  });

  it('a list of numbers that is longer than the file, without reading it', async () => {
    const bytes = Buffer.from(ggufHeader({ list: { type: 'i32s', value: [1] } }, []));
    bytes.writeBigUInt64LE(2n ** 35n, bytes.indexOf('list') + 4 + 4 + 4);
    const source = memory(bytes, 400e9);
    await expect(readHeader(source)).rejects.toThrow(/^has a header of more than 64 MiB, which no model has$/);
    expect(source.most).toBeLessThanOrEqual(2 ** 20);
  });

  it('a header that is cut off at any of its bytes', async () => {
    const end =
      (await readHeader(memory(whole))).tensors.length && whole.lastIndexOf('token_embd.weight') + 17 + 4 + 16 + 4 + 8;
    for (let length = 24; length < end; length++) {
      await expect(readHeader(memory(whole.subarray(0, length)))).rejects.toThrow(
        /^ends within its header: it is not whole/,
      );
    }
    await expect(readHeader(memory(whole.subarray(0, end)))).resolves.toBeDefined();
  });

  it.each<[string, (bytes: Buffer, name: number) => void, RegExp]>([
    [
      'a tensor of a type that nobody knows',
      (bytes, name) => bytes.writeUInt32LE(99, name + 17 + 4 + 16),
      /^has a tensor of type 99/,
    ],
    [
      'a tensor of too many dimensions',
      (bytes, name) => bytes.writeUInt32LE(1e9, name + 17),
      /^has a tensor of 1000000000 dimensions/,
    ],
    [
      'a value of a type that nobody knows',
      (bytes) => bytes.writeUInt32LE(77, bytes.indexOf('architecture') + 12),
      /^has a value of type 77/,
    ],
  ])('%s', async (_what, spoil, problem) => {
    const bytes = Buffer.from(whole);
    spoil(bytes, bytes.lastIndexOf('token_embd.weight'));
    await expect(readHeader(memory(bytes))).rejects.toThrow(problem);
  });

  it('an alignment that is none', async () => {
    const odd = { ...metadata, 'general.alignment': u32(0) };
    await expect(readHeader(memory(ggufHeader(odd, tensors)))).rejects.toThrow(/^has an alignment of 0/);
  });

  it('or read, whatever byte of it is another', async () => {
    const random = numbersFrom(7);
    for (let round = 0; round < 1000; round++) {
      const bytes = Buffer.from(whole);
      for (let change = 0; change < 3; change++)
        bytes[4 + Math.floor(random() * (bytes.length - 4))] = Math.floor(random() * 256);
      const message = await readHeader(memory(bytes)).then(
        () => '',
        (error: Error) => error.message,
      );
      expect(message).toMatch(/^$|^(is|has|claims|ends) [^\n]+$/);
    }
  });
});
