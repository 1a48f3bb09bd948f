import { type Draw, extremes } from '../draw.js';

/** Makes a damaged file out of a valid one; `other` is a valid file of the same kind. */
export type Mutator = (bytes: Buffer, draw: Draw, other: Buffer) => Buffer;
export type Mutators = Readonly<Record<string, Mutator>>;

export const join = (...parts: readonly (Uint8Array | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));

/** `bytes` with `inserted` in place of what lies from `at` to `end`. */
export const spliced = (bytes: Buffer, at: number, end = at, inserted: Uint8Array | string = ''): Buffer =>
  join(bytes.subarray(0, at), inserted, bytes.subarray(end));

/** A random place. Half of the time it is near the beginning or the end, where headers and directories are. */
function place({ length }: Buffer, draw: Draw): number {
  const near = draw.below(Math.max(1, Math.min(length, 256)));
  return draw.pick([near, Math.max(1, length) - 1 - near, ...Array(2).fill(draw.below(Math.max(1, length)))]);
}

/** Changes the bytes from a random place to another. */
function onBlock(change: (bytes: Buffer, from: number, to: number, draw: Draw) => Buffer): Mutator {
  return (bytes, draw) => {
    const from = place(bytes, draw);
    return change(bytes, from, Math.min(bytes.length, from + draw.power(4096)), draw);
  };
}

type Places = RegExp | ((bytes: Buffer, draw: Draw) => readonly number[]);

/** Sets a number of some bytes at one of `places`, or at one of the distances from what `places` finds first. */
export function number(
  kind: `${number}${'LE' | 'BE'}`,
  places: Places,
  values: readonly (number | bigint)[] = extremes,
  distances: readonly number[] = [0],
): Mutator {
  const size = Number.parseInt(kind, 10);
  return (bytes, draw) => {
    const found = places instanceof RegExp ? [bytes.toString('latin1').search(places)] : places(bytes, draw);
    const at = draw.pick(found);
    if (at < 0) return bytes;
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(BigInt.asUintN(8 * size, BigInt(draw.pick(values))));
    const written = kind.endsWith('LE') ? value.subarray(0, size) : value.subarray(0, size).reverse();
    const start = at + draw.pick(distances);
    return spliced(bytes, start, start + size, written).subarray(0, bytes.length);
  };
}

/** Does the same once or several times. */
export function times(least: number, most: number, mutate: Mutator): Mutator {
  return (bytes, draw, other) => {
    const all = Array<Mutator>(draw.between(least, most)).fill(mutate);
    return all.reduce((changed, each) => each(changed, draw, other), bytes);
  };
}

export function flipBit(bytes: Buffer, at: number, bit: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[at] = (flipped[at] as number) ^ (1 << bit);
  return flipped;
}

const flip: Mutator = (bytes, draw) => flipBit(bytes, place(bytes, draw), draw.below(8));

export const byteMutators = {
  'bit flip': flip,
  'bit flips': times(2, 8, flip),
  truncation: (bytes, draw) => bytes.subarray(0, place(bytes, draw)),
  'block deleted': onBlock((bytes, from, to) => spliced(bytes, from, to)),
  'block twice': onBlock((bytes, from, to) => spliced(bytes, from, from, bytes.subarray(from, to))),
  'block moved': onBlock((bytes, from, to, draw) => {
    const rest = spliced(bytes, from, to);
    const at = place(rest, draw);
    return spliced(rest, at, at, bytes.subarray(from, to));
  }),
  'block of one byte': onBlock((bytes, from, to, draw) =>
    spliced(bytes, from, to, Buffer.alloc(to - from, draw.pick([0, 0xff, 0x20, 0x41]))),
  ),
  'block of noise': onBlock((bytes, from, to, draw) => spliced(bytes, from, to, draw.bytes(Math.min(64, to - from)))),
  'splice of two files': (bytes, draw, other) =>
    join(bytes.subarray(0, place(bytes, draw)), other.subarray(place(other, draw))),
  'integer set': (bytes, draw, other) => {
    const size = draw.pick([1, 2, 4, 8]);
    const aligned = () => [size * Math.floor(place(bytes, draw) / size)];
    return number(`${size}${draw.pick(['LE', 'BE'] as const)}`, aligned)(bytes, draw, other);
  },
  'something behind': (bytes, draw) => join(bytes, draw.bytes(draw.between(1, 64))),
} satisfies Mutators;

/** Any damage to bytes. */
export const anyByte: Mutator = (bytes, draw, other) =>
  draw.pick(Object.values<Mutator>(byteMutators))(bytes, draw, other);

/** Changes a file as a list of pieces, one of which is at `at`. */
export function onPieces<P>(read: (bytes: Buffer) => P[], write: (pieces: readonly P[], draw: Draw) => Buffer) {
  return (change: (pieces: P[], at: number, draw: Draw) => void): Mutator =>
    (bytes, draw) => {
      const all = read(bytes);
      change(all, draw.below(all.length), draw);
      return write(all, draw);
    };
}

/** Damage to the pieces of a file. It is the same for chunks, segments, members, opcodes and lines. */
export function piecewise<P>(
  name: string,
  on: ReturnType<typeof onPieces<P>>,
  damaged: (piece: P, draw: Draw, pieces: readonly P[]) => P,
  any?: (draw: Draw, pieces: readonly P[]) => P,
): Mutators {
  const put = (over: number) => on((all, at, draw) => void all.splice(at, over, any?.(draw, all) as P));
  return {
    [`${name} deleted`]: on((all, at) => void all.splice(at, 1)),
    [`${name} twice`]: on((all, at, draw) => {
      all.splice(draw.pick([at, draw.below(all.length + 1)]), 0, ...Array<P>(draw.power(256)).fill(all[at] as P));
    }),
    [`${name}s swapped`]: on((all, at, draw) => {
      const to = draw.below(all.length);
      [all[at], all[to]] = [all[to] as P, all[at] as P];
    }),
    [`${name} damaged`]: on((all, at, draw) => void all.splice(at, 1, damaged(all[at] as P, draw, all))),
    ...(any && { [`${name} added`]: put(0), [`${name} replaced`]: put(1), [`${name}s replaced`]: times(2, 6, put(1)) }),
  };
}

/** The mutators of what is packed in a file, such as what is compressed: `open` gives it, and how it is packed again. */
export function within(
  label: string,
  inner: Mutators,
  open: (bytes: Buffer, draw: Draw) => readonly [part: Buffer, close: (part: Buffer) => Buffer],
): Mutators {
  const packed = Object.entries(inner).map(([name, mutate]): [string, Mutator] => [
    `${label}: ${name}`,
    (bytes, draw, other) => {
      const [part, close] = open(bytes, draw);
      return close(mutate(part, draw, open(other, draw)[0]));
    },
  ]);
  return Object.fromEntries(packed);
}
