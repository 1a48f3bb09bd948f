import { type Draw, extremes, join, type Mutator, type Mutators, spliced } from './draw.js';

/** A random place. Half of the time it is near the beginning or the end, where headers and directories are. */
function place(bytes: Uint8Array, draw: Draw): number {
  const length = Math.max(1, bytes.length);
  const near = Math.min(length, 256);
  const where = draw.below(4);
  if (where === 0) return draw.below(near);
  return where === 1 ? length - 1 - draw.below(near) : draw.below(length);
}

function block(bytes: Uint8Array, draw: Draw): [from: number, to: number] {
  const from = place(bytes, draw);
  return [from, Math.min(bytes.length, from + draw.power(4096))];
}

export function flipBit(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[at] = (flipped[at] as number) ^ (1 << bit);
  return flipped;
}

const flip: Mutator = (bytes, draw) => flipBit(bytes, place(bytes, draw), draw.below(8));

function setInteger(bytes: Uint8Array, at: number, size: number, value: bigint, little: boolean): Uint8Array {
  const changed = new Uint8Array(bytes);
  for (let k = 0; k < size && at + k < changed.length; k++) {
    const shift = BigInt(8 * (little ? k : size - 1 - k));
    changed[at + k] = Number(BigInt.asUintN(8, value >> shift));
  }
  return changed;
}

export const byteMutators: Mutators = {
  'bit flip': flip,
  'bit flips': (bytes, draw, other) =>
    Array.from({ length: draw.between(2, 8) }).reduce<Uint8Array>((changed) => flip(changed, draw, other), bytes),
  truncation: (bytes, draw) => bytes.slice(0, place(bytes, draw)),
  'block deleted': (bytes, draw) => spliced(bytes, ...block(bytes, draw)),
  'block twice': (bytes, draw) => {
    const [from, to] = block(bytes, draw);
    return spliced(bytes, from, from, bytes.subarray(from, to));
  },
  'block moved': (bytes, draw) => {
    const [from, to] = block(bytes, draw);
    const rest = spliced(bytes, from, to);
    const at = place(rest, draw);
    return spliced(rest, at, at, bytes.subarray(from, to));
  },
  'block of one byte': (bytes, draw) => {
    const [from, to] = block(bytes, draw);
    return new Uint8Array(bytes).fill(draw.pick([0, 0xff, 0x20, 0x41]), from, to);
  },
  'block of noise': (bytes, draw) => {
    const [from, to] = block(bytes, draw);
    return spliced(bytes, from, to, draw.bytes(Math.min(64, to - from)));
  },
  'splice of two files': (bytes, draw, other) =>
    join(bytes.subarray(0, place(bytes, draw)), other.subarray(place(other, draw))),
  'integer set': (bytes, draw) => {
    const size = draw.pick([1, 2, 4, 8]);
    const at = place(bytes, draw);
    return setInteger(bytes, at - (at % size), size, draw.pick(extremes), draw.once(2));
  },
  'something behind': (bytes, draw) => join(bytes, draw.bytes(draw.between(1, 64))),
};
