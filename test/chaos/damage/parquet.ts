import { hash } from 'node:crypto';
import { count, encodings, type Plan, parquetOf } from '../../data/parquet-writer.js';
import { type Draw, extremes } from '../draw.js';
import type { Kinds } from './bytes.js';

/** The expected result of reading each file written here, by the hash of its bytes: the labels by row, or an error. */
const expected = new Map<string, string>();
/** The labels that must be read, or 'refused'; undefined of a file that was damaged in other ways. */
export const expectedLabels = (bytes: Uint8Array): string | undefined => expected.get(hash('sha256', bytes));

const small = (draw: Draw) => BigInt(draw.between(-2, 5));
const numbers = [...extremes, 2n ** 53n + 1n, -(2n ** 53n), 1n - 2n ** 53n].map((value) => BigInt.asIntN(64, value));

/** A file of labels that are drawn. One that JavaScript would round is refused. */
export function labelFile(draw: Draw, label = small): Buffer {
  const labels = Array.from({ length: count }, () => label(draw));
  const encoding = draw.pick(Object.keys(encodings) as Plan['encoding'][]);
  const bytes = parquetOf({ labels, encoding, version: draw.pick([1, 2]) });
  const isSafe = labels.every((label) => Number.isSafeInteger(Number(label)));
  expected.set(hash('sha256', bytes), isSafe ? String(labels) : 'refused');
  return bytes;
}

/** test/data/parquet/pages.test.ts has files that announce other numbers of values than they hold. */
export const kinds: Kinds = {
  '^Parquet labels': {
    'Parquet labels': (_, draw) => labelFile(draw, () => draw.pick([draw.pick(numbers), small(draw)])),
  },
};
