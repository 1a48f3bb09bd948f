import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { checkLabel, trainAndTest } from '../dataset.js';
import { fromPlanes, type ImageList, imageArray } from '../image-list.js';
import type { LayoutReader } from '../layout-reader.js';
import { readClassNames, requireEntries } from '../listing.js';
import { readWhole } from '../reading.js';

/** One of the two binary data sets: its files and the format of its records. */
export interface CifarVariant {
  readonly layout: 'cifar10' | 'cifar100';
  /** The folder inside the official archive. */
  readonly archiveFolder: string;
  readonly train: readonly string[];
  readonly test: string;
  readonly names: string;
  readonly classes: number;
  /** Bytes before the pixels; the last of them is the class. */
  readonly labelBytes: number;
}

export const cifar10: CifarVariant = {
  layout: 'cifar10',
  archiveFolder: 'cifar-10-batches-bin',
  train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
  test: 'test_batch.bin',
  names: 'batches.meta.txt',
  classes: 10,
  labelBytes: 1,
};

/** Each image has two labels: the coarse one (of 20) is ignored, the fine one (of 100) is the class. */
export const cifar100: CifarVariant = {
  layout: 'cifar100',
  archiveFolder: 'cifar-100-binary',
  train: ['train.bin'],
  test: 'test.bin',
  names: 'fine_label_names.txt',
  classes: 100,
  labelBytes: 2,
};

const side = 32;
const maxFileBytes = 2 ** 30;

/**
 * Reads the binary version of CIFAR-10 or CIFAR-100: records of 1 (CIFAR-100: 2) label bytes and 3 × 32 × 32 pixels,
 * plane by plane. A file may have any number of records.
 *
 * `open` throws INVALID_DATA for a missing file, a file with no records or an incomplete one, a label that is no class,
 * or a class without training images; FILE_ACCESS.
 */
export function cifarReader(variant: CifarVariant): LayoutReader {
  // In the order in which error messages list them.
  const files = [...variant.train, variant.test, variant.names];
  return {
    layout: variant.layout,
    async find(folder, names) {
      if (names.includes(variant.archiveFolder)) return join(folder, variant.archiveFolder);
      return files.some((name) => names.includes(name)) ? folder : undefined;
    },
    async open(folder, walk) {
      await requireEntries(folder, variant.layout, files, walk);
      const classNames = await readClassNames(join(folder, variant.names), variant.classes);
      const train = await readRecords(folder, variant.train, variant);
      const test = await readRecords(folder, [variant.test], variant);
      return trainAndTest({ layout: variant.layout, folder, train, test, classNames });
    },
  };
}

async function readRecords(folder: string, names: readonly string[], variant: CifarVariant): Promise<ImageList> {
  const { classes, labelBytes } = variant;
  const size = labelBytes + 3 * side * side;
  const records: { readonly file: string; readonly bytes: Uint8Array; readonly position: number }[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const bytes = await readWhole(file, maxFileBytes);
    if (bytes.length === 0 || bytes.length % size !== 0) {
      throw invalidData(
        `${file} has ${bytes.length} bytes, not one or more whole ${variant.layout} records of ${size}: it is cut short or of another format.`,
      );
    }
    for (let position = 0; position < bytes.length / size; position++) {
      records.push({ file, bytes: bytes.subarray(position * size, (position + 1) * size), position });
    }
  }
  const labels = Int32Array.from(records, ({ file, bytes, position }) => {
    const label = bytes[labelBytes - 1] as number;
    checkLabel(label, classes, file, position);
    return label;
  });
  const at = (index: number) => records[index] as (typeof records)[number];
  return imageArray(
    (index) => `${at(index).file}, image ${at(index).position}`,
    [side, side],
    labels,
    (index) => fromPlanes(at(index).bytes.subarray(labelBytes), side, side, 1),
  );
}
