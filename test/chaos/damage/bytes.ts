import { little } from '../../networks/weights/pickle-writer.js';
import { type Draw, extremes } from '../draw.js';

/** Makes a damaged file out of a valid one; `other` is a valid file of the same kind. Throws if it finds no place. */
export type Mutator = (bytes: Buffer, draw: Draw, other: Buffer) => Buffer;
export type Mutators = Readonly<Record<string, Mutator>>;
/** Mutators by a pattern of a file's format and path. */
export type Kinds = Readonly<Record<string, Mutators>>;

type Bytes = Uint8Array | string;
export const join = (...parts: readonly Bytes[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));

/** `bytes` with `inserted` in place of what lies from `at` to `end`. */
export const spliced = (bytes: Buffer, at: number, end = at, inserted: Bytes = ''): Buffer =>
  join(bytes.subarray(0, at), inserted, bytes.subarray(end));

/** Makes changes of a part of a file into mutators: `read` gives the part, and `write` a file with another. */
export const on =
  <P>(read: (bytes: Buffer) => P, write: (part: P, draw: Draw, bytes: Buffer) => Bytes) =>
  (change: (part: P, draw: Draw, other: P) => P): Mutator =>
  (bytes, draw, other) =>
    join(write(change(read(bytes), draw, read(other)), draw, bytes));

export const same = <P>(part: P): P => part;

/** Returns the bytes before `start`, pieces of the lengths that `lengthOf` returns until it is 0, and the rest. */
export function pieces(bytes: Buffer, start: number, lengthOf: (rest: Buffer) => number): Buffer[] {
  const found = [bytes.subarray(0, start)];
  let rest = bytes.subarray(start);
  for (let length = 1; rest.length > 0 && length > 0; rest = rest.subarray(length)) {
    length = lengthOf(rest);
    if (length > 0) found.push(rest.subarray(0, length));
  }
  return [...found, rest];
}

export const within = (label: string, inner: Mutators, through: (mutate: Mutator) => Mutator): Mutators =>
  Object.fromEntries(Object.entries(inner).map(([name, mutate]) => [`${label}: ${name}`, through(mutate)]));

/** Damage to the pieces of a file. It is the same for chunks, segments, members, opcodes and lines. */
export function piecewise<P>(
  name: string,
  onAll: (change: (all: P[], draw: Draw) => P[]) => Mutator,
  damaged: (piece: P, draw: Draw, all: readonly P[]) => P,
  any?: (draw: Draw, all: readonly P[]) => P,
): Mutators {
  const onOne = (change: (all: P[], at: number, draw: Draw, piece: P) => P[]) =>
    onAll((all, draw) => {
      const at = draw.below(all.length);
      return change(all, at, draw, all[at] as P);
    });
  const put = (over: number) => onOne((all, at, draw) => all.toSpliced(at, over, any?.(draw, all) as P));
  return {
    [`${name} deleted`]: onOne((all, at) => all.toSpliced(at, 1)),
    [`${name} damaged`]: onOne((all, at, draw, piece) => all.with(at, damaged(piece, draw, all))),
    [`${name} twice`]: onOne((all, at, draw, piece) =>
      all.toSpliced(draw.pick([at, draw.below(all.length)]), 0, ...Array<P>(draw.power(256)).fill(piece)),
    ),
    [`${name}s swapped`]: onOne((all, at, draw, piece) => {
      const other = draw.below(all.length);
      return all.with(at, all[other] as P).with(other, piece);
    }),
    ...(any && { [`${name} added`]: put(0), [`${name} replaced`]: put(1), [`${name}s replaced`]: times(2, 6, put(1)) }),
  };
}

export function times(least: number, most: number, mutate: Mutator): Mutator {
  return (bytes, draw, other) => {
    const all = Array<Mutator>(draw.between(least, most)).fill(mutate);
    return all.reduce((changed) => mutate(changed, draw, other), bytes);
  };
}

/** Offsets of numbers: fixed, or relative to the first match of a pattern. */
type Places = readonly number[] | ((bytes: Buffer, draw: Draw) => readonly number[]);
export function after(pattern: RegExp, ...distances: number[]) {
  return (bytes: Buffer) => {
    const start = bytes.toString('latin1').search(pattern);
    return start < 0 ? [] : distances.map((distance) => start + distance);
  };
}

export function number(
  size: number,
  order: 'LE' | 'BE',
  places: Places,
  values: readonly (number | bigint)[] = extremes,
): Mutator {
  return (bytes, draw) => {
    const at = draw.pick(typeof places === 'function' ? places(bytes, draw) : places);
    const value = little(draw.pick(values), 8).subarray(0, size);
    return spliced(bytes, at, at + size, order === 'LE' ? value : value.toReversed()).subarray(0, bytes.length);
  };
}

/** A random place. Half of the time it is near the beginning or the end, where headers and directories are. */
function offset({ length }: Buffer, draw: Draw): number {
  const most = Math.max(1, length);
  const near = draw.below(Math.min(most, 256));
  return draw.pick([near, most - 1 - near, ...Array<number>(2).fill(draw.below(most))]);
}

/** Puts something else in place of a random block. */
function block(other: (old: Buffer, draw: Draw) => Bytes): Mutator {
  return (bytes, draw) => {
    const at = offset(bytes, draw);
    const old = bytes.subarray(at, at + draw.power(4096));
    return spliced(bytes, at, at + old.length, other(old, draw));
  };
}

const flip = (bytes: Buffer, draw: Draw): Buffer => {
  const at = offset(bytes, draw);
  return spliced(bytes, at, at + 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << draw.below(8))));
};

export const byteKinds = {
  'bit flip': flip,
  'bit flips': times(2, 8, flip),
  truncation: (bytes, draw) => bytes.subarray(0, offset(bytes, draw)),
  'block deleted': block(() => ''),
  'block twice': block((old) => join(old, old)),
  'block of one byte': block(({ length }, draw) => Buffer.alloc(length, draw.pick([0, 0xff, 0x20, 0x41]))),
  'block of noise': block(({ length }, draw) => draw.bytes(Math.min(64, length))),
  'splice of two files': (bytes, draw, other) =>
    join(bytes.subarray(0, offset(bytes, draw)), other.subarray(offset(other, draw))),
  'integer set': (bytes, draw, other) => {
    const size = draw.pick([1, 2, 4, 8]);
    return number(size, draw.pick(['LE', 'BE']), [size * Math.floor(offset(bytes, draw) / size)])(bytes, draw, other);
  },
  'something behind': (bytes, draw) => join(bytes, draw.bytes(draw.between(1, 64))),
} satisfies Mutators;

export const anyByte: Mutator = (bytes, draw, other) =>
  draw.pick(Object.values<Mutator>(byteKinds))(bytes, draw, other);
