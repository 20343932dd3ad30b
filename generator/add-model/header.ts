import { type GgmlType, ggmlTypes } from '../memory/ggml.ts';
import type { ByteSource } from './source.ts';

/**
 * Reads the header of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 1 to 3, and nothing behind it.
 * Whatever a file says of itself is held against bounds that no real one comes near, and against its length: it cannot make
 * this read or keep more than a few MiB at a time, and 64 MiB in all.
 *
 * Not with @huggingface/gguf (0.4.6): it takes what is behind the end of a file for zeros, so that half a header passes for a
 * whole one with nameless tensors, and reads whatever a server answers to a range request, be it the whole model.
 */

export type MetadataValue = string | number | boolean | number[] | boolean[];

export interface TensorInfo {
  name: string;
  /** Elements in each dimension, the row first. */
  shape: number[];
  type: GgmlType;
  /** From the beginning of the data, in bytes. */
  offset: number;
}

export interface GgufHeader {
  /** Values by key. Of lists of words, and of long ones, the length alone is kept, in `lengths`. */
  metadata: Map<string, MetadataValue>;
  lengths: Map<string, number>;
  tensors: TensorInfo[];
  /** Where the data begin, in bytes. */
  dataOffset: number;
  /** Length of the file in bytes. */
  size: number;
}

const limits = {
  headerBytes: 64 * 2 ** 20,
  metadata: 4096,
  tensors: 65_536,
  /** Of a string that is kept: templates of chats are the longest. */
  stringBytes: 2 ** 20,
  /** Of the name of a key or a tensor. */
  nameBytes: 1024,
  /** Of a list that is kept: one figure for each layer. */
  listLength: 4096,
  dimensions: 4,
};

/** Throws in one line, without the file's name, where it is not a GGUF header that can be read. */
export async function readHeader(source: ByteSource): Promise<GgufHeader> {
  const cursor = new Cursor(source);
  if (source.size < 24 || (await cursor.bytes(4)).toString('latin1') !== 'GGUF') {
    throw new Error('is no GGUF file: it does not begin with the letters GGUF');
  }
  const version = await cursor.u32();
  if (version % 2 ** 16 === 0)
    throw new Error('is a GGUF file for big-endian machines, which no node here is: take another');
  if (version < 1 || version > 3) throw new Error(`has version ${version} of GGUF: 1 to 3 are known`);
  cursor.wide = version > 1;
  const tensorCount = await cursor.count('tensors', limits.tensors);
  const metadataCount = await cursor.count('keys', limits.metadata);

  const metadata = new Map<string, MetadataValue>();
  const lengths = new Map<string, number>();
  for (let index = 0; index < metadataCount; index++) {
    const key = await cursor.string(limits.nameBytes);
    const value = await readValue(cursor, await cursor.u32());
    if (typeof value === 'object' && 'skipped' in value) lengths.set(key, value.skipped);
    else metadata.set(key, value);
  }
  const tensors: TensorInfo[] = [];
  for (let index = 0; index < tensorCount; index++) tensors.push(await readTensor(cursor));

  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !Number.isInteger(alignment) || alignment < 1 || alignment > 2 ** 20) {
    throw new Error(`has an alignment of ${alignment}: the file is broken`);
  }
  const dataOffset = Math.ceil(cursor.at / alignment) * alignment;
  return { metadata, lengths, tensors, dataOffset, size: source.size };
}

async function readTensor(cursor: Cursor): Promise<TensorInfo> {
  const name = await cursor.string(limits.nameBytes);
  const dimensions = await cursor.u32();
  if (dimensions > limits.dimensions) {
    throw new Error(`has a tensor of ${dimensions} dimensions: ${limits.dimensions} are the most that there are`);
  }
  const shape: number[] = [];
  for (let index = 0; index < dimensions; index++) shape.push(await cursor.length());
  const id = await cursor.u32();
  const type = typesById.get(id);
  if (!type)
    throw new Error(`has a tensor of type ${id}, of which nothing is known here: add it to generator/memory/ggml.ts`);
  // Offsets are of 64 bits in all versions.
  return { name, shape, type, offset: await cursor.u64() };
}

const typesById = new Map(Object.entries(ggmlTypes).map(([name, { id }]) => [id as number, name as GgmlType] as const));

/** Bytes and how to read them, by the number of a value's type; strings (8) and lists (9) have ways of their own. */
const scalars: Record<number, { bytes: number; read(buffer: Buffer): number | boolean }> = {
  0: { bytes: 1, read: (buffer) => buffer.readUInt8() },
  1: { bytes: 1, read: (buffer) => buffer.readInt8() },
  2: { bytes: 2, read: (buffer) => buffer.readUInt16LE() },
  3: { bytes: 2, read: (buffer) => buffer.readInt16LE() },
  4: { bytes: 4, read: (buffer) => buffer.readUInt32LE() },
  5: { bytes: 4, read: (buffer) => buffer.readInt32LE() },
  6: { bytes: 4, read: (buffer) => buffer.readFloatLE() },
  7: { bytes: 1, read: (buffer) => buffer.readUInt8() !== 0 },
  10: { bytes: 8, read: (buffer) => Number(buffer.readBigUInt64LE()) },
  11: { bytes: 8, read: (buffer) => Number(buffer.readBigInt64LE()) },
  12: { bytes: 8, read: (buffer) => buffer.readDoubleLE() },
};
const stringType = 8;
const listType = 9;

async function readValue(cursor: Cursor, type: number): Promise<MetadataValue | { skipped: number }> {
  if (type === stringType) return cursor.string(limits.stringBytes);
  if (type === listType) return readList(cursor);
  const scalar = scalars[type];
  if (!scalar) throw new Error(`has a value of type ${type}, which GGUF does not know: the file is broken`);
  return scalar.read(await cursor.bytes(scalar.bytes));
}

async function readList(cursor: Cursor): Promise<number[] | boolean[] | { skipped: number }> {
  const type = await cursor.u32();
  const length = await cursor.length();
  if (type === stringType) {
    // The words of a vocabulary: how many there are is all that is of use. Each has its length before it.
    for (let index = 0; index < length; index++) await cursor.skip(await cursor.length());
    return { skipped: length };
  }
  const scalar = scalars[type];
  if (!scalar) throw new Error(`has a list of type ${type}, which nothing here can read: the file is broken`);
  if (length > limits.listLength) {
    await cursor.skip(length * scalar.bytes);
    return { skipped: length };
  }
  const values: (number | boolean)[] = [];
  for (let index = 0; index < length; index++) values.push(scalar.read(await cursor.bytes(scalar.bytes)));
  return values as number[] | boolean[];
}

/** Reads on from the beginning, a piece of the file in memory at a time. */
class Cursor {
  at = 0;
  /** Whether lengths take 64 bits. */
  wide = true;
  readonly #source: ByteSource;
  readonly #end: number;
  #piece: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#end = Math.min(source.size, limits.headerBytes);
  }

  async bytes(length: number): Promise<Buffer> {
    this.#expect(length);
    const start = this.at - this.#from;
    if (start < 0 || start + length > this.#piece.length) await this.#fetch(length);
    const offset = this.at - this.#from;
    this.at += length;
    return this.#piece.subarray(offset, offset + length);
  }

  async skip(length: number): Promise<void> {
    this.#expect(length);
    this.at += length;
  }

  async u32(): Promise<number> {
    return (await this.bytes(4)).readUInt32LE();
  }

  async u64(): Promise<number> {
    return this.#safe((await this.bytes(8)).readBigUInt64LE());
  }

  /** A length or a size, as wide as the version of the file has it. */
  async length(): Promise<number> {
    return this.wide ? this.u64() : this.u32();
  }

  async count(what: string, most: number): Promise<number> {
    const count = await this.length();
    if (count > most) throw new Error(`claims to have ${count} ${what}: ${most} are the most that are read`);
    return count;
  }

  async string(most: number): Promise<string> {
    const length = await this.length();
    if (length > most) throw new Error(`has a text of ${length} bytes: ${most} are the most that are read`);
    return (await this.bytes(length)).toString('utf8');
  }

  #safe(value: bigint): number {
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`has a length of ${value}: the file is broken`);
    return Number(value);
  }

  #expect(length: number): void {
    if (this.at + length <= this.#end) return;
    if (this.at + length > this.#source.size)
      throw new Error('ends within its header: it is not whole, download it again');
    throw new Error(`has a header of more than ${limits.headerBytes / 2 ** 20} MiB, which no model has`);
  }

  async #fetch(length: number): Promise<void> {
    const wanted = Math.min(Math.max(length, 2 ** 20), this.#source.size - this.at);
    this.#piece = await this.#source.read(this.at, wanted);
    this.#from = this.at;
    if (this.#piece.length < length) throw new Error('ends within its header: it is not whole, download it again');
  }
}
