const mask64 = (1n << 64n) - 1n;
const golden = 0x9e3779b97f4a7c15n;

/** FNV-1a, 64 bits, of the UTF-8 bytes of `text`. */
export function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & mask64;
  return hash;
}

/**
 * The fixtures' generator: SplitMix64 from a base that depends on the seed and the name; values in [−1, 1). It computes
 * with the upper and the lower 32 bits: there are millions of values, and BigInt takes many times as long.
 */
export class Uniform {
  #high: number;
  #low: number;

  constructor(seed: number, name: string) {
    const base = (fnv1a(name) + BigInt(seed) * golden) & mask64;
    this.#high = Number(base >> 32n);
    this.#low = Number(base & 0xffffffffn);
  }

  /** Overwrites `out` with the next values. */
  fill(out: Float64Array): void {
    let stateHigh = this.#high | 0;
    let stateLow = this.#low | 0;
    for (let i = 0; i < out.length; i++) {
      const sum = (stateLow >>> 0) + 0x7f4a7c15;
      stateLow = sum | 0;
      stateHigh = (stateHigh + (0x9e3779b9 | 0) + (sum >= 2 ** 32 ? 1 : 0)) | 0;
      // bits ^= bits >> 30; bits *= 0xbf58476d1ce4e5b9
      let low = stateLow ^ ((stateHigh << 2) | (stateLow >>> 30));
      let high = stateHigh ^ (stateHigh >>> 30);
      high = (upperProduct(low, 0x1ce4e5b9) + Math.imul(high, 0x1ce4e5b9) + Math.imul(low, 0xbf58476d)) | 0;
      low = Math.imul(low, 0x1ce4e5b9);
      // bits ^= bits >> 27; bits *= 0x94d049bb133111eb
      low ^= (high << 5) | (low >>> 27);
      high ^= high >>> 27;
      high = (upperProduct(low, 0x133111eb) + Math.imul(high, 0x133111eb) + Math.imul(low, 0x94d049bb)) | 0;
      low = Math.imul(low, 0x133111eb);
      // bits ^= bits >> 31, and of these the upper 53
      low ^= (high << 1) | (low >>> 31);
      high ^= high >>> 31;
      out[i] = ((high >>> 0) * 2 ** 21 + (low >>> 11)) * 2 ** -52 - 1;
    }
    this.#high = stateHigh;
    this.#low = stateLow;
  }
}

/** The upper 32 bits of the product of two numbers of 32 bits. A product of 16 and 32 bits is exact in a double. */
function upperProduct(a: number, b: number): number {
  const upper = (a >>> 16) * b;
  return Math.floor((upper + Math.floor(((a & 0xffff) * b) / 2 ** 16)) / 2 ** 16);
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
