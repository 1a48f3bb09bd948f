import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { fitAll } from './fit.js';
import { allocatePixels, checkEveryClass, checkLabel, type Dataset, type ImageSet } from './image-set.js';
import { readClassNames } from './names.js';
import { fileSize, type LoadOptions, Reading, readWhole } from './reading.js';

/** One of the two binary data sets: which files make it up and what a record begins with. */
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

/** Two labels an image: the coarse one of 20 is passed over, the fine one of 100 is the class. */
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
const plane = side * side;
const maxFileBytes = 2 ** 30;

/** All files of a variant, in the order in which an error lists them. */
export function cifarFiles(variant: CifarVariant): string[] {
  return [...variant.train, variant.test, variant.names];
}

/**
 * CIFAR-10 or CIFAR-100 in their binary version: records of 1 (2) label bytes and 3 × 32 × 32 pixels, plane by plane.
 * Any whole number of records a file.
 *
 * Throws INVALID_DATA for a missing file, a length that is not whole records, a label that is no class, a class
 * without training images; FILE_ACCESS; ABORTED.
 */
export async function loadCifar(folder: string, variant: CifarVariant, options: LoadOptions): Promise<Dataset> {
  const missing = cifarFiles(variant).filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0) {
    throw new L2TError(
      'INVALID_DATA',
      `${folder} is a ${variant.layout} folder without ${missing.join(', ')}. Extract the binary version's archive again.`,
    );
  }
  const classNames = await readClassNames(join(folder, variant.names), variant.classes);
  const counts = new Map<string, number>();
  for (const name of [...variant.train, variant.test]) {
    counts.set(name, await countRecords(join(folder, name), variant));
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const reading = new Reading(folder, total, options);
  const read = async (names: readonly string[]): Promise<ImageSet> => {
    const count = names.reduce((sum, name) => sum + (counts.get(name) as number), 0);
    const pixels = allocatePixels(count, options.size, folder);
    const labels = new Int32Array(count);
    let first = 0;
    for (const name of names) {
      await readRecords(join(folder, name), counts.get(name) as number, variant, { pixels, labels, first }, reading);
      first += counts.get(name) as number;
    }
    return { size: options.size, count, pixels, labels, classNames };
  };
  const train = await read(variant.train);
  checkEveryClass(train, folder);
  const test = await read([variant.test]);
  return { layout: variant.layout, folder, flat: false, train, validation: undefined, test, classNames, warnings: [] };
}

async function countRecords(file: string, { layout, labelBytes }: CifarVariant): Promise<number> {
  const bytes = await fileSize(file);
  const record = labelBytes + 3 * plane;
  if (bytes > 0 && bytes % record === 0) return bytes / record;
  throw new L2TError(
    'INVALID_DATA',
    `${file} has ${bytes} bytes, not one or more whole ${layout} records of ${record}: it is cut short or of another format.`,
  );
}

async function readRecords(
  file: string,
  count: number,
  { classes, labelBytes }: CifarVariant,
  into: { readonly pixels: Uint8Array; readonly labels: Int32Array; readonly first: number },
  reading: Reading,
): Promise<void> {
  const bytes = await readWhole(file, maxFileBytes);
  const record = labelBytes + 3 * plane;
  if (bytes.length !== count * record) throw new L2TError('INVALID_DATA', `${file} changed while it was read.`);
  const imageAt = (index: number) => {
    const start = index * record + labelBytes;
    const label = bytes[start - 1] as number;
    checkLabel(label, classes, file, index);
    into.labels[into.first + index] = label;
    return interleave(bytes.subarray(start, start + 3 * plane));
  };
  await fitAll(into.pixels, into.first, count, { height: side, width: side }, imageAt, reading);
}

/** 3 × 32 × 32 → 32 × 32 × 3. */
function interleave(planar: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * plane);
  for (let place = 0, to = 0; place < plane; place++) {
    pixels[to++] = planar[place] as number;
    pixels[to++] = planar[plane + place] as number;
    pixels[to++] = planar[2 * plane + place] as number;
  }
  return pixels;
}
