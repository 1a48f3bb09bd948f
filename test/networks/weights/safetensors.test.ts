import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TensorMap } from '../../../src/native/tensor.js';
import {
  parseSafetensors,
  readSafetensors,
  safetensorsChunks,
  writeSafetensors,
} from '../../../src/networks/weights/safetensors.js';
import { itSurvivesDamage } from '../../damage.js';
import { temporaryFolder } from '../../tiny.js';
import { little } from './pickle-writer.js';

const parse = (bytes: Uint8Array) => parseSafetensors(bytes, 'x.safetensors');
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'INVALID_WEIGHTS', message: expect.stringMatching(message) });

/** A file of a header, as text or object, and `size` bytes of data. */
function file(header: unknown, size = 0): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  return Buffer.concat([little(json.length, 8), json, Buffer.alloc(size)]);
}

const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const sample: TensorMap = new Map([
  ['z.weight', { dtype: 'float32', shape: [2, 3], data: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer) }],
  ['10', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['empty', { dtype: 'float64', shape: [0, 7], data: new Uint8Array(0) }],
  ['2', { dtype: 'int64', shape: [], data: new Uint8Array(BigInt64Array.of(-5n).buffer) }],
  ['é "quoted"', { dtype: 'bfloat16', shape: [2], data: Uint8Array.of(1, 2, 3, 4) }],
  ['__proto__', { dtype: 'uint8', shape: [1], data: Uint8Array.of(9) }],
]);
const sampleMetadata = new Map([
  ['network', 'resnet32'],
  ['__proto__', 'line\nbreak'],
]);
const sampleBytes = Buffer.concat(safetensorsChunks(sample, sampleMetadata));

describe('safetensors', () => {
  it('gives back what was written, in its order, and equal bytes each time', async () => {
    const path = join(temporaryFolder(), 'a.safetensors');
    await writeSafetensors(path, sample, sampleMetadata);
    const { tensors, metadata } = await readSafetensors(path);
    expect([...tensors]).toEqual([...sample]);
    expect([...metadata]).toEqual([...sampleMetadata]);
    expect(readFileSync(path)).toEqual(sampleBytes);
  });

  it('writes the bytes of the format', () => {
    const [header, data] = safetensorsChunks(new Map([['a', sample.get('10') ?? expect.fail()]]), new Map());
    const json = '{"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}';
    expect(Buffer.from(header ?? []).toString('latin1')).toBe(`\x38\0\0\0\0\0\0\0${json} `);
    expect(data).toEqual(Uint8Array.of(1, 0, 1));
  });

  it('tensors are views of the bytes', () => {
    const bytes = file({ a: entry([2], 0, 8) }, 8);
    expect(parse(bytes).tensors.get('a')?.data.buffer).toBe(bytes.buffer);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /0 bytes/],
    ['a header of 2^63', Buffer.concat([little(2n ** 63n, 8), Buffer.from('{}')]), /longer than the format allows/],
    ['a header beyond the file', Buffer.concat([little(50, 8), Buffer.from('{}')]), /cut short/],
    ['a leading space', file(' {}'), /begin with \{/],
    ['no JSON', file('{"a":'), /near character 5/],
    ['text behind the object', file('{}x'), /follows the header/],
    ['a list', file('{"a":[]}'), /\{ is missing/],
    [
      'text that is not UTF-8',
      file(Buffer.from('7b22ff223a7b7d7d', 'hex').toString('latin1')).fill(0xff, 10, 11),
      /UTF-8/,
    ],
    ['a wrong escape', file('{"\\x":{}}'), /well formed/],
    [
      'a duplicate key',
      file('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"\\u0061":{}}', 1),
      /"a" is there twice/,
    ],
    ['a duplicate property', file('{"a":{"dtype":"U8","dtype":"U8"}}'), /"dtype" is there twice/],
    ['duplicate metadata', file('{"__metadata__":{},"__metadata__":{}}'), /twice/],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), /text is missing/],
    ['a missing shape', file('{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1), /lacks/],
    ['three offsets', file('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1,2]}}', 1), /lacks/],
    [
      'an unknown property',
      file('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":"y"}}', 1),
      /unknown property "x"/,
    ],
    ['an unknown dtype', file({ a: entry([1], 0, 1, 'F8_E4M3') }, 1), /"F8_E4M3"/],
    ['a negative size', file({ a: entry([-1], 0, 4) }, 4), /whole number/],
    ['a fraction', file({ a: entry([0.5], 0, 4) }, 4), /missing/],
    ['a size above 2^53', file('{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,1]}}', 1), /2\^53/],
    ['an overflowing shape', file({ a: entry([2 ** 32, 2 ** 32, 2 ** 32], 0, 4) }, 4), /has 4 bytes/],
    ['a shape that does not fit', file({ a: entry([3], 0, 8) }, 8), /has 8 bytes/],
    ['a range beyond the data', file({ a: entry([4], 0, 16) }, 15), /cut short: "a"/],
    ['a reversed range', file({ a: entry([0], 4, 0) }, 4), /begin where/],
    ['a gap', file({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12), /"b" does not begin/],
    ['an overlap', file({ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12), /"b" does not begin/],
    ['data left over', file({ a: entry([1], 0, 4) }, 5), /1 bytes follow/],
    ['70 dimensions', file({ a: entry(new Array(70).fill(1), 0, 4) }, 4), /more than 64/],
    ['deep nesting', file(`{"a":${'['.repeat(1_000_000)}`), /\{ is missing/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parse(bytes)).toThrow(invalid(message));
  });

  itSurvivesDamage(() => sampleBytes, parse);

  it('writes no tensor whose data does not fit its shape', async () => {
    const wrong: TensorMap = new Map([['a', { dtype: 'float32', shape: [3], data: new Uint8Array(8) }]]);
    const path = join(temporaryFolder(), 'wrong.safetensors');
    await expect(writeSafetensors(path, wrong)).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(existsSync(path)).toBe(false);
  });

  const fixtures = join(import.meta.dirname, '../../../../shared/fixtures');
  it.skipIf(!existsSync(fixtures))('reads the fixtures, where they lie beside the repository', async () => {
    const names = readdirSync(fixtures).filter((name) => name.endsWith('.safetensors'));
    expect(names).not.toHaveLength(0);
    for (const name of names) expect((await readSafetensors(join(fixtures, name))).tensors.size).toBeGreaterThan(0);
  });
});
