import { Random } from '../../src/data/random.js';

const mask64 = (1n << 64n) - 1n;
const golden = 0x9e3779b97f4a7c15n;

/** FNV-1a, 64 bits, of the UTF-8 bytes of `text`. */
export function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask64;
  return hash;
}

/** The fixtures' generator: SplitMix64 from a base that depends on the seed and the name; values in [−1, 1). */
export class Uniform {
  readonly #random: Random;

  constructor(seed: number, name: string) {
    this.#random = new Random(fnv1a(name) + BigInt(seed) * golden);
  }

  /** Overwrites `out` with the next values. */
  fill(out: Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = 2 * this.#random.uniform() - 1;
  }
}

/** `count` values of uniform(seed, name). */
export function uniform(seed: number, name: string, count: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(count);
  new Uniform(seed, name).fill(out);
  return out;
}

/** [‖v‖, ⟨v, uniform(1, probe.name)⟩, ⟨v, uniform(2, probe.name)⟩], accumulated in order. */
export function probe(name: string, values: Float64Array): Float64Array<ArrayBuffer> {
  const first = new Uniform(1, `probe.${name}`);
  const second = new Uniform(2, `probe.${name}`);
  const chunk = Math.min(values.length, 1 << 14);
  const a = new Float64Array(chunk);
  const b = new Float64Array(chunk);
  let square = 0;
  let dotA = 0;
  let dotB = 0;
  for (let start = 0; start < values.length; start += chunk) {
    first.fill(a);
    second.fill(b);
    const end = Math.min(start + chunk, values.length);
    for (let i = start; i < end; i++) {
      const value = values[i] as number;
      square += value * value;
      dotA += value * (a[i - start] as number);
      dotB += value * (b[i - start] as number);
    }
  }
  return Float64Array.of(Math.sqrt(square), dotA, dotB);
}
