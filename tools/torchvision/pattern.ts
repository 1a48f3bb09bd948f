/** Weights and images that fixture.py makes, too: see there. */

const period = 65521;

/** Up to `period` values in [−1, 1), which repeat after that, from a place that `name` decides. */
function pattern(name: string, count: number): Float64Array<ArrayBuffer> {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 16777619);
  return new Float64Array(Math.min(count, period)).map((_, i) => {
    const h = Math.imul(i + seed, 2654435761);
    const mixed = Math.imul(h ^ (h >>> 15), 2246822519);
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 31 - 1;
  });
}

/** The values of a tensor of a network, as float32. */
export function patternWeights(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const values = new Float32Array(product(shape));
  const tile = Float32Array.from(pattern(name, values.length), scaleOf(name, shape));
  for (let at = 0; at < values.length; at += period) values.set(tile.subarray(0, values.length - at), at);
  return values;
}

/** An image: size × size × 3, uint8. */
export function patternImage(size: number): Uint8Array<ArrayBuffer> {
  const tile = pattern('image', size * size * 3);
  return new Uint8Array(size * size * 3).map((_, i) => Math.floor(((tile[i % period] as number) + 1) * 128));
}

/** Σ v · pattern('probe'), and ‖v‖. */
export function probe(values: Float32Array): { readonly norm: number; readonly product: number } {
  const tile = pattern('probe', values.length);
  let [square, dot] = [0, 0];
  values.forEach((value, i) => {
    square += value * value;
    dot += value * (tile[i % period] as number);
  });
  return { norm: Math.sqrt(square), product: dot };
}

const product = (shape: readonly number[]): number => shape.reduce((all, side) => all * side, 1);

function scaleOf(name: string, shape: readonly number[]): (value: number) => number {
  if (name.endsWith('running_var')) return (value) => 1 + value / 2;
  if (shape.length > 1) {
    const bound = Math.sqrt(3 / product(shape.slice(1)));
    return (value) => value * bound;
  }
  return name.endsWith('weight') ? (value) => 1 + value / 4 : (value) => value / 4;
}
