import { L2TError } from '../errors.js';

const word = (value: bigint) => BigInt.asUintN(64, value);

/** SplitMix64 (Steele, Lea, Flood, 2014): the same numbers on every platform. Draws splits; training draws natively. */
export class Random {
  #state: bigint;

  /** Throws INVALID_OPTION unless `seed` is a whole number from 0 to 2⁵³ − 1. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new L2TError('INVALID_OPTION', `The seed must be a whole number from 0 to 2^53 - 1, not ${seed}.`);
    }
    this.#state = BigInt(seed);
  }

  /** The next 64 random bits. */
  next(): bigint {
    this.#state = word(this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = word((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = word((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** Uniform in [0, n), 0 < n ≤ 2³². Draws past the last whole multiple of n are drawn again: no modulo bias. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const draw = Number(this.next() >> 32n);
      if (draw < limit) return draw % n;
    }
  }

  /** Fisher–Yates, in place. */
  shuffle(values: number[]): void {
    for (let last = values.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      const value = values[last] as number;
      values[last] = values[other] as number;
      values[other] = value;
    }
  }
}
