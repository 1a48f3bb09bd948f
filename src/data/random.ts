const to64Bits = (value: bigint): bigint => BigInt.asUintN(64, value);

/**
 * SplitMix64 (Steele, Lea, Flood, 2014): the same numbers on every platform. It draws splits; the random numbers of
 * training are drawn in C++.
 */
export class Random {
  #state: bigint;

  /** `seed`: a whole number from 0 to 2⁵³ − 1. */
  constructor(seed: number) {
    this.#state = BigInt(seed);
  }

  /** The next 64 random bits. */
  next(): bigint {
    this.#state = to64Bits(this.#state + 0x9e3779b97f4a7c15n);
    let bits = this.#state;
    bits = to64Bits((bits ^ (bits >> 30n)) * 0xbf58476d1ce4e5b9n);
    bits = to64Bits((bits ^ (bits >> 27n)) * 0x94d049bb133111ebn);
    return bits ^ (bits >> 31n);
  }

  /** Uniform in [0, 1): the upper 53 of the next 64 bits. */
  uniform(): number {
    return Number(this.next() >> 11n) * 2 ** -53;
  }

  /** A uniform integer in [0, n), 0 < n ≤ 2³². Draws beyond the largest multiple of n are repeated: no modulo bias. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const draw = Number(this.next() >> 32n);
      if (draw < limit) return draw % n;
    }
  }

  /** Fisher–Yates shuffle, in place. */
  shuffle(values: number[]): void {
    for (let last = values.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [values[last], values[other]] = [values[other] as number, values[last] as number];
    }
  }
}
