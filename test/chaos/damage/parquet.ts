import { hash } from 'node:crypto';
import { count, encodings, type Plan, parquetOf } from '../../data/parquet-writer.js';
import { type Draw, extremes } from '../draw.js';
import type { Kinds } from './bytes.js';

/** What must be read of a file that was written here: the labels by row, or an error. By the hash of its bytes. */
const expected = new Map<string, string>();
/** The labels that must be read, or 'refused'; undefined of a file that was damaged in other ways. */
export const expectedLabels = (bytes: Uint8Array): string | undefined => expected.get(hash('sha256', bytes));

/** A file of labels that are drawn, and of what `plan` says. */
export function labelFile(
  draw: Draw,
  given: Partial<Plan> = {},
  refused: (labels: readonly bigint[]) => boolean = () => false,
): Buffer {
  const labels = Array.from({ length: count }, () => BigInt(draw.between(-2, 5)));
  const encoding = draw.pick(Object.keys(encodings) as Plan['encoding'][]);
  const plan = { labels, encoding, version: draw.pick([1, 2] as const), ...given };
  const bytes = parquetOf(plan);
  expected.set(hash('sha256', bytes), refused(plan.labels) ? 'refused' : String(plan.labels));
  return bytes;
}

const encoding = 'dictionary';
/** Numbers of values that a file says, and what it needs in order to say them. */
const announced: Readonly<Record<string, Partial<Plan>>> = {
  ...{ page: {}, chunk: {}, dictionary: { encoding }, differences: { encoding: 'delta' } },
  ...{ rows: { version: 2 }, nulls: { version: 2 } },
};

export const kinds: Kinds = {
  '^Parquet labels': {
    'Parquet labels': (_, draw) => {
      const values = [...extremes, 2n ** 53n + 1n, -(2n ** 53n), 1n - 2n ** 53n].map((value) =>
        BigInt.asIntN(64, value),
      );
      const labels = Array.from({ length: count }, () => draw.pick([draw.pick(values), 0n, 1n, 5n, -2n]));
      return labelFile(draw, { labels }, () => !labels.every((label) => Number.isSafeInteger(Number(label))));
    },
    // Another number of values, in a file that has this number.
    'Parquet announced': (_, draw) => {
      const what = draw.pick(Object.keys(announced));
      const value = draw.pick(extremes);
      const plan = { ...announced[what], said: { [what]: value } };
      const right = (labels: readonly bigint[]) =>
        what === 'dictionary' ? new Set(labels).size : what === 'nulls' ? 0 : count;
      return labelFile(draw, plan, (all) => BigInt.asIntN(what === 'chunk' ? 64 : 32, value) !== BigInt(right(all)));
    },
    'Parquet without dictionary': (_, draw) => labelFile(draw, { encoding, hasDictionary: false }, () => true),
    'Parquet index': (_, draw) => labelFile(draw, { encoding, beyond: draw.between(16, 239) }, () => true),
  },
};
