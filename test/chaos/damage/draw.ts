import { Random } from '../../../src/data/random.js';

/** The random choices of one try, all from its seed. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Uniform in [0, n). */
  below(n: number): number {
    if (!(n >= 1)) throw new RangeError('there is nothing to draw from');
    return this.#random.below(n);
  }

  /** Uniform in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `n`. */
  once(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** A key, with a probability in proportion to its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    throw new RangeError('no weights');
  }

  /** A power of two, at most `most`; all are equally likely. */
  power(most: number): number {
    return 2 ** this.below(Math.floor(Math.log2(most)) + 1);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** Makes a damaged file out of a valid one; `other` is a valid file of the same kind. */
export type Mutator = (bytes: Uint8Array, draw: Draw, other: Uint8Array) => Uint8Array;
export type Mutators = Readonly<Record<string, Mutator>>;

/** Values at which sizes, counts and offsets go wrong. */
export const extremes: readonly bigint[] = [
  ...[0n, 1n, -1n, 127n, 128n, 255n, 32767n, 65535n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

/** The same values as text, and other texts that stand for numbers. */
export const numberTexts: readonly string[] = [
  ...extremes.map(String),
  ...['-0', '1e999', '-1e999', '1e-999', 'NaN', 'Infinity', '.inf', '.nan', 'null', 'true', '0x10', '1_000', '0.5'],
  ...['9'.repeat(400), `0.${'1'.repeat(2000)}`, '1e308', '4294967296', '00', '+1', '1.', ''],
];

/**
 * Texts that cause trouble somewhere: paths, keys that every object has, line ends, terminal codes, unusual characters.
 */
export const hostileTexts: readonly string[] = [
  ...['', ' ', '..', '../../etc/passwd', '/etc/passwd', 'a\0b', '.', './', '-', '*', '\\', "'", '"', '`', '%s%n', '~'],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'then', '__metadata__'],
  ...[
    '\n',
    '\r\n',
    '\t',
    '\u001b[2J',
    '\ufeff',
    '\u202e',
    '\ud83d\ude00',
    '\u{10ffff}',
    'é'.repeat(300),
    'x'.repeat(5000),
  ],
];

export const join = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))));

/** `bytes` with `inserted` in place of what lies from `at` to `end`. */
export const spliced = (bytes: Uint8Array, at: number, end: number, inserted: Uint8Array | string = ''): Uint8Array =>
  join(bytes.subarray(0, at), inserted, bytes.subarray(end));
