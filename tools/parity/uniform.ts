const mask64 = (1n << 64n) - 1n;
const golden = 0x9e3779b97f4a7c15n;

/** FNV-1a, 64 bits, of the UTF-8 bytes of `text`. */
export function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask64;
  return hash;
}

/** High 32 bits of the 64-bit product of two unsigned 32-bit numbers, as a signed number. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const low = Math.imul(a0, b0);
  const cross1 = Math.imul(a0, b1);
  const cross2 = Math.imul(a1, b0);
  const middle = (low >>> 16) + (cross1 & 0xffff) + (cross2 & 0xffff);
  return (Math.imul(a1, b1) + (cross1 >>> 16) + (cross2 >>> 16) + (middle >>> 16)) | 0;
}

/**
 * The fixtures' generator: splitmix64 from a base that depends on the seed and the name; values in [−1, 1).
 * 64-bit numbers are pairs of 32-bit halves: BigInts would take minutes for the tens of millions of values of a case.
 */
export class Uniform {
  private high: number;
  private low: number;

  constructor(seed: number, name: string) {
    const base = (fnv1a(name) + BigInt(seed) * golden) & mask64;
    this.high = Number(base >> 32n) | 0;
    this.low = Number(base & 0xffffffffn) | 0;
  }

  /** Overwrites `out` with the next values. */
  fill(out: Float64Array): void {
    let { high, low } = this;
    for (let i = 0; i < out.length; i++) {
      // state += golden
      const sum = (low >>> 0) + 0x7f4a7c15;
      high = (high + 0x9e3779b9 + (sum > 0xffffffff ? 1 : 0)) | 0;
      low = sum | 0;
      // z = (z ^ z >> 30) · 0xBF58476D1CE4E5B9
      let l = low ^ ((low >>> 30) | (high << 2));
      let h = high ^ (high >>> 30);
      h = (multiplyHigh(l, 0x1ce4e5b9) + Math.imul(h, 0x1ce4e5b9) + Math.imul(l, 0xbf58476d)) | 0;
      l = Math.imul(l, 0x1ce4e5b9);
      // z = (z ^ z >> 27) · 0x94D049BB133111EB
      const l27 = l ^ ((l >>> 27) | (h << 5));
      const h27 = h ^ (h >>> 27);
      h = (multiplyHigh(l27, 0x133111eb) + Math.imul(h27, 0x133111eb) + Math.imul(l27, 0x94d049bb)) | 0;
      l = Math.imul(l27, 0x133111eb);
      // z ^= z >> 31; value = 2 · (z >> 11) · 2⁻⁵³ − 1
      l ^= (l >>> 31) | (h << 1);
      h ^= h >>> 31;
      out[i] = ((h >>> 0) * 2 ** 21 + (l >>> 11)) * 2 ** -52 - 1;
    }
    this.high = high;
    this.low = low;
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
