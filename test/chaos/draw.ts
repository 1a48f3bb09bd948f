import { Random } from '../../src/data/random.js';

/** The random choices of one try, all from its seed. */
export class Draw extends Random {
  override below(n: number): number {
    if (!(n >= 1)) throw new RangeError('there is nothing to draw from');
    return super.below(n);
  }

  /** Uniform in [low, high]. */
  between = (low: number, high: number): number => low + this.below(high - low + 1);
  once = (n: number): boolean => this.below(n) === 0;
  pick = <T>(values: readonly T[]): T => values[this.below(values.length)] as T;
  either = <T>(...ways: readonly (() => T)[]): T => this.pick(ways)();
  /** A power of two, at most `most`; all are equally likely. */
  power = (most: number): number => 2 ** this.below(Math.floor(Math.log2(most)) + 1);
  bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => this.below(256)));
  /** A key, with a probability in proportion to its entry's weight. */
  weighted = <K extends string>(entries: Readonly<Record<K, { readonly weight: number }>>): K => {
    const all = Object.entries<{ readonly weight: number }>(entries);
    return this.pick(all.flatMap(([key, { weight }]) => Array<K>(weight).fill(key as K)));
  };
}

/** Values at which sizes, counts and offsets go wrong. */
export const extremes: readonly bigint[] = [
  ...[0n, 1n, -1n, 127n, 128n, 255n, 32767n, 65535n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

/** The same values as text, and other texts that stand for numbers. */
export const numberTexts: readonly string[] = [
  ...[...extremes.map(String), '9'.repeat(400), `0.${'1'.repeat(2000)}`, ''],
  ...'-0 1e999 -1e999 1e-999 NaN Infinity .inf .nan null true 0x10 1_000 0.5 1e308 4294967296 00 +1 1.'.split(' '),
];

/** Texts that cause trouble: paths, keys of every object, line ends, terminal codes, unusual and many characters. */
export const hostileTexts: readonly string[] = [
  ...'.. ../../etc/passwd /etc/passwd a\0b . ./ - * \\ \' " ` %s%n ~ __proto__ constructor toString'.split(' '),
  ...'hasOwnProperty length then __metadata__ \u001b[2J \ufeff \u202e \ud83d\ude00 \u{10ffff}'.split(' '),
  ...['', ' ', '\n', '\r\n', '\t', 'é'.repeat(300), 'x'.repeat(5000)],
];
