import type { ImageRow } from '../fixtures/parquet.js';
import { encode, pattern } from './generate.js';

/** The classes of `row`. */
export const names = ['cat', 'ant', 'bee'];

/** Image k is pattern(k), as PNG. */
export const images: readonly Uint8Array[] = await Promise.all(
  Array.from({ length: 6 }, (_, k) => encode(pattern(k, 8), 8, 8, 'png')),
);

export const row = (k: number, label: ImageRow['label'] = k % 3): ImageRow => ({
  bytes: images[k],
  path: `${k}.png`,
  label,
});
export const rows = (count: number): ImageRow[] => Array.from({ length: count }, (_, k) => row(k));
