import { invalidOption } from '../system/failures.js';

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers, as a signed number. */
function multiplyHigh(a: number, b: number): number {
  const [a0, a1] = [a & 0xffff, a >>> 16];
  const [b0, b1] = [b & 0xffff, b >>> 16];
  const low = Math.imul(a0, b0);
  const cross1 = Math.imul(a0, b1);
  const cross2 = Math.imul(a1, b0);
  const middle = (low >>> 16) + (cross1 & 0xffff) + (cross2 & 0xffff);
  return (Math.imul(a1, b1) + (cross1 >>> 16) + (cross2 >>> 16) + (middle >>> 16)) | 0;
}

/**
 * SplitMix64 (Steele, Lea, Flood, 2014): the same numbers on every platform. It draws splits; the random numbers of
 * training are drawn in C++. 64-bit numbers are pairs of 32-bit halves, because BigInts would take thirty times as
 * long.
 */
export class Random {
  // The state, and the number drawn last.
  #stateHigh: number;
  #stateLow: number;
  #high = 0;
  #low = 0;

  /**
   * `seed`: 64 bits. Throws INVALID_OPTION for a number (not a bigint) that is negative, fractional or above 2⁵³ − 1.
   */
  constructor(seed: number | bigint) {
    if (typeof seed === 'number' && (!Number.isSafeInteger(seed) || seed < 0)) {
      throw invalidOption(`The seed must be a whole number from 0 to 2^53 - 1, not ${seed}.`);
    }
    const bits = BigInt.asUintN(64, BigInt(seed));
    this.#stateHigh = Number(bits >> 32n) | 0;
    this.#stateLow = Number(bits & 0xffffffffn) | 0;
  }

  #draw(): void {
    // state += 0x9E3779B97F4A7C15
    const sum = (this.#stateLow >>> 0) + 0x7f4a7c15;
    this.#stateHigh = (this.#stateHigh + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) | 0;
    this.#stateLow = sum | 0;
    let [high, low] = [this.#stateHigh, this.#stateLow];
    // z = (z ^ z >> 30) · 0xBF58476D1CE4E5B9
    low ^= (low >>> 30) | (high << 2);
    high ^= high >>> 30;
    high = (multiplyHigh(low, 0x1ce4e5b9) + Math.imul(high, 0x1ce4e5b9) + Math.imul(low, 0xbf58476d)) | 0;
    low = Math.imul(low, 0x1ce4e5b9);
    // z = (z ^ z >> 27) · 0x94D049BB133111EB
    low ^= (low >>> 27) | (high << 5);
    high ^= high >>> 27;
    high = (multiplyHigh(low, 0x133111eb) + Math.imul(high, 0x133111eb) + Math.imul(low, 0x94d049bb)) | 0;
    low = Math.imul(low, 0x133111eb);
    // z ^= z >> 31
    this.#low = low ^ ((low >>> 31) | (high << 1));
    this.#high = high ^ (high >>> 31);
  }

  /** The next 64 random bits. */
  next(): bigint {
    this.#draw();
    return (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0);
  }

  /** Uniform in [0, 1): the upper 53 of the next 64 bits. */
  uniform(): number {
    this.#draw();
    return ((this.#high >>> 0) * 2 ** 21 + (this.#low >>> 11)) * 2 ** -53;
  }

  /** A uniform integer in [0, n), 0 < n ≤ 2³². Draws beyond the largest multiple of n are repeated: no modulo bias. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      this.#draw();
      const draw = this.#high >>> 0;
      if (draw < limit) return draw % n;
    }
  }

  /** Fisher–Yates shuffle, in place. */
  shuffle(values: number[]): void {
    for (let last = values.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      const value = values[last] as number;
      values[last] = values[other] as number;
      values[other] = value;
    }
  }
}
