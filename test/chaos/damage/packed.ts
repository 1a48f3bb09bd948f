import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, join, type Mutator, type Mutators } from './draw.js';

const words = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Changes the header of an IDX file, MNIST's format: the magic number and the dimensions. */
const idxHeader: Mutator = (bytes, draw) => {
  const copy = new Uint8Array(bytes);
  const count = 1 + Math.min(3, copy[3] as number);
  for (let edits = draw.between(1, 2); edits > 0; edits--) {
    words(copy).writeUInt32BE(Number(BigInt.asUintN(32, draw.pick(extremes))), 4 * draw.below(count));
  }
  return copy;
};

/** Dimensions whose product is right, is 0, or overflows 32 or 64 bits. */
const idxFactors: Mutator = (bytes, draw) => {
  if (bytes[3] !== 3) return idxHeader(bytes, draw, bytes);
  const copy = new Uint8Array(bytes);
  const total = bytes.length - 16;
  const dims = draw.pick([
    [total, 1, 1],
    [1, 1, total],
    [total, 0, 2 ** 32 - 1],
    [2 ** 31, 2 ** 31, 4],
    [0, 28, 28],
    [2 ** 16, 2 ** 16, 2 ** 16],
  ]);
  dims.forEach((dim, axis) => void words(copy).writeUInt32BE(dim, 4 + 4 * axis));
  return copy;
};

export const idxMutators: Mutators = { ...byteMutators, 'IDX header': idxHeader, 'IDX dimensions': idxFactors };

/** The same mutators, applied to the content before it is compressed. */
const within = (
  inner: Mutators,
  unpack: (bytes: Uint8Array) => Uint8Array,
  pack: (bytes: Uint8Array) => Uint8Array,
): Mutators =>
  Object.fromEntries(
    Object.entries(inner).map(([name, mutate]) => [
      `compressed: ${name}`,
      (bytes: Uint8Array, draw: Draw, other: Uint8Array) => pack(mutate(unpack(bytes), draw, unpack(other))),
    ]),
  );

export const gzMutators: Mutators = {
  ...byteMutators,
  ...within(
    idxMutators,
    (bytes) => new Uint8Array(gunzipSync(bytes)),
    (bytes) => new Uint8Array(gzipSync(bytes, { level: 1 })),
  ),
  'zeros compressed': (bytes, draw) =>
    join(gzipSync(join(gunzipSync(bytes).subarray(0, 16), new Uint8Array(draw.power(2 ** 23))))),
  'two members': (bytes, _draw, other) => join(bytes, other),
};

/** The elements of an uncompressed MAT file, at most 64: another file may seem to have millions. */
function matElements(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 128; at + 8 <= bytes.length && found.length < 64; ) {
    const end = Math.min(bytes.length, at + 8 + words(bytes).readUInt32LE(at + 4));
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

function matCompressed(bytes: Uint8Array): Uint8Array {
  const parts = matElements(bytes).flatMap((element) => {
    const packed = deflateSync(element, { level: 1 });
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15);
    tag.writeUInt32LE(packed.length, 4);
    return [tag, packed];
  });
  return join(bytes.subarray(0, 128), ...parts);
}

/** Changes a tag within a variable: types, lengths, classes and dimensions stand in its first hundred bytes. */
const matTag: Mutator = (bytes, draw) => {
  const copy = new Uint8Array(bytes);
  const element = draw.pick(matElements(bytes));
  const at = element.byteOffset - bytes.byteOffset + 4 * draw.below(Math.min(24, Math.floor(element.length / 4)));
  if (draw.once(2)) copy[at] = draw.below(20);
  else words(copy).writeUInt32LE(Number(BigInt.asUintN(32, draw.pick(extremes))), at);
  return copy;
};

/** Nested cells, or a cell array that claims many cells and holds all of them or one. */
const matCells: Mutator = (bytes, draw) => {
  let inner = join(Uint8Array.of(14, 0, 0, 0, 0, 0, 0, 0));
  const deep = draw.once(2);
  const count = deep ? 1 : draw.power(2 ** 16);
  for (let depth = deep ? draw.power(512) : 1; depth > 0; depth--) {
    const content = join(...Array<Uint8Array>(deep ? 1 : draw.pick([1, count])).fill(inner));
    const head = Buffer.alloc(48);
    [14, 40 + content.length, 6, 8, 1, 0, 5, 8, draw.once(8) ? 2 ** 31 - 1 : count, 1, 1, 0].forEach(
      (word, k) => void head.writeUInt32LE(word, 4 * k),
    );
    inner = join(head, content);
  }
  return join(bytes.subarray(0, 128), inner, bytes.subarray(128));
};

const plainMat: Mutators = {
  ...byteMutators,
  'MAT tag': matTag,
  'MAT tags': (b, d, o) => matTag(matTag(b, d, o), d, o),
  'MAT cells': matCells,
};

/**
 * Mutators for an uncompressed file: it is only damaged, damaged and then compressed, or compressed and then damaged.
 */
export const matMutators: Mutators = {
  ...plainMat,
  ...within(plainMat, (bytes) => bytes, matCompressed),
  'compressed, then damaged': (bytes, draw, other) =>
    byteMutators[draw.pick(Object.keys(byteMutators))]?.(matCompressed(bytes), draw, matCompressed(other)) ?? bytes,
  'zeros compressed': (bytes, draw) =>
    matCompressed(join(bytes, Uint8Array.of(14, 0, 0, 0, 0xf8, 0xff, 0xff, 0), new Uint8Array(draw.power(2 ** 23)))),
};
