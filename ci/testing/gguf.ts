import { open } from 'node:fs/promises';
import { bytesOf, type GgmlType, ggmlTypes } from '../../generator/memory/ggml.ts';

/**
 * Writes GGUF files (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), version 3, little-endian: a header of metadata
 * and of what tensors there are, and the tensors.
 */

export type GgufValue =
  | { type: 'u32' | 'f32' | 'bool'; value: number }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: string[] }
  | { type: 'f32s' | 'i32s'; value: number[] };

export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const string = (value: string): GgufValue => ({ type: 'string', value });

/** A tensor: its name, its shape with the row first, and the type that it is stored in. */
export interface Tensor {
  name: string;
  shape: number[];
  type: GgmlType;
}

const alignment = 32;
export const padded = (size: number) => Math.ceil(size / alignment) * alignment;

/** Bytes of a tensor's data. */
export const tensorBytes = ({ shape, type }: Tensor) =>
  bytesOf(
    type,
    shape.reduce((a, b) => a * b),
  );

/** All that stands before the data of the tensors, padded; the data follow in their order, each padded. */
export function ggufHeader(metadata: Record<string, GgufValue>, tensors: Tensor[]): Buffer<ArrayBuffer> {
  const parts = [Buffer.from('GGUF'), int(3), long(tensors.length), long(Object.keys(metadata).length)];
  for (const [key, value] of Object.entries(metadata)) parts.push(text(key), encode(value));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    parts.push(text(name), int(shape.length), ...shape.map(long), int(ggmlTypes[type].id), long(offset));
    offset += padded(tensorBytes(tensor));
  }
  return pad(Buffer.concat(parts));
}

/**
 * Writes a file that has the header of a model and is as long as it, with a hole where the data would be. It takes no more
 * than the header on the disk. Returns its length in bytes.
 */
export async function writeHollow(
  file: string,
  metadata: Record<string, GgufValue>,
  tensors: Tensor[],
): Promise<number> {
  const header = ggufHeader(metadata, tensors);
  const length = tensors.reduce((sum, tensor) => sum + padded(tensorBytes(tensor)), header.length);
  await using handle = await open(file, 'w');
  await handle.write(header);
  await handle.truncate(length);
  return length;
}

export const pad = (buffer: Buffer) => Buffer.concat([buffer, Buffer.alloc(padded(buffer.length) - buffer.length)]);

function int(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function long(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function float(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}

/** A vocabulary has hundreds of thousands: one buffer for all. */
function texts(values: string[]): Buffer {
  const lengths = values.map((value) => Buffer.byteLength(value));
  const buffer = Buffer.alloc(lengths.reduce((sum, length) => sum + 8 + length, 0));
  let at = 0;
  for (const [index, value] of values.entries()) {
    buffer.writeUInt32LE(lengths[index]!, at);
    buffer.write(value, at + 8);
    at += 8 + lengths[index]!;
  }
  return buffer;
}

function encode({ type, value }: GgufValue): Buffer {
  const list = (element: number, items: Buffer[]) =>
    Buffer.concat([int(9), int(element), long((value as unknown[]).length), ...items]);
  switch (type) {
    case 'u32':
      return Buffer.concat([int(4), int(value)]);
    case 'f32':
      return Buffer.concat([int(6), float(value)]);
    case 'bool':
      return Buffer.concat([int(7), Buffer.from([value])]);
    case 'string':
      return Buffer.concat([int(8), text(value)]);
    case 'strings':
      return list(8, [texts(value)]);
    case 'f32s':
      return list(6, value.map(float));
    case 'i32s':
      return list(5, value.map(int));
  }
}
