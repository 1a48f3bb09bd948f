import { expect, it } from 'vitest';
import { type ErrorCode, L2TError } from '../src/errors.js';

/** The outcomes of `read` on damaged files: a value, or an L2TError; any other exception fails the test. */
export async function readDamaged(
  files: Iterable<Uint8Array>,
  read: (bytes: Uint8Array) => unknown,
  code?: ErrorCode,
): Promise<{ values: number; errors: number }> {
  const outcomes = { values: 0, errors: 0 };
  for (const bytes of files) {
    try {
      await read(bytes);
      outcomes.values++;
    } catch (error) {
      if (!(error instanceof L2TError)) throw error;
      if (code) expect(error).toMatchObject({ code });
      outcomes.errors++;
    }
  }
  return outcomes;
}

/** `bytes` cut at every length below its own, or at every `step`-th. */
export function* truncations(bytes: Uint8Array, step = 1): Generator<Uint8Array> {
  for (let length = 0; length < bytes.length; length += step) yield new Uint8Array(bytes.subarray(0, length));
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

/** Tests a reader of a whole file: a cut at any byte is an error; a flipped bit gives a value or, often, an error. */
export function itSurvivesDamage(whole: () => Uint8Array, read: (bytes: Uint8Array) => unknown): void {
  it('cut at every byte: an error each time', async () => {
    const bytes = whole();
    expect(await readDamaged(truncations(bytes), read)).toEqual({ values: 0, errors: bytes.length });
  });

  it('2,000 bit flips: a value or an error', async () => {
    const { errors } = await readDamaged(bitFlips(whole(), 2_000), read);
    expect(errors).toBeGreaterThan(500);
  });
}
