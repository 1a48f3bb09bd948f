import { expect } from 'vitest';
import { L2TError } from '../../../src/errors.js';

/** The outcomes of `read` on damaged files: a value, or an L2TError; any other exception fails the test. */
export async function readDamaged(
  files: Iterable<Uint8Array>,
  read: (bytes: Uint8Array) => unknown,
): Promise<{ values: number; errors: number }> {
  const outcomes = { values: 0, errors: 0 };
  for (const bytes of files) {
    try {
      await read(bytes);
      outcomes.values++;
    } catch (error) {
      expect(error).toBeInstanceOf(L2TError);
      outcomes.errors++;
    }
  }
  return outcomes;
}

/** `bytes` cut at every length below its own. */
export function* truncations(bytes: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length++) yield new Uint8Array(bytes.subarray(0, length));
}

/** `count` copies of `bytes` with one bit turned over in each, at places drawn from a fixed sequence (mulberry32). */
export function* bitFlips(bytes: Uint8Array, count: number, seed = 1): Generator<Uint8Array> {
  let state = seed;
  const draw = (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  for (let i = 0; i < count; i++) {
    const flipped = new Uint8Array(bytes);
    const at = draw(bytes.length);
    flipped[at] = (flipped[at] as number) ^ (1 << draw(8));
    yield flipped;
  }
}
