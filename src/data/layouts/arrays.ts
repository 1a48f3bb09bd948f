import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip, type ZlibOptions } from 'node:zlib';
import { invalidData } from '../../system/failures.js';
import { checkLabel, fromPlanes, type ImageList, imageArray, trainAndTest } from '../dataset.js';
import type { LayoutReader } from '../layout-reader.js';
import { marked, readClassNames, readRows, requireEntries } from '../listing.js';
import { classesFromOne, matlabImages, readMat } from '../matlab.js';
import { maxDeflateRatio, readWhole } from '../reading.js';

// Data sets whose images are arrays of pixels in a few files.

const maxFileBytes = 2 ** 30;
const digits = [...'0123456789'];

/** One of the binary versions of CIFAR: its files and the format of its records. */
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

/** Records of label bytes and 3 × 32 × 32 pixels, plane by plane. A file may have any number of records. */
export function cifarReader(variant: CifarVariant): LayoutReader {
  const { layout, archiveFolder } = variant;
  // In the order in which error messages list them.
  const files = [...variant.train, variant.test, variant.names];
  return {
    layout,
    find: marked(files, archiveFolder),
    async open(folder, walk) {
      await requireEntries(folder, layout, files, walk);
      const classNames = await readClassNames(join(folder, variant.names), variant.classes);
      const train = await readRecords(folder, variant.train, variant);
      const test = await readRecords(folder, [variant.test], variant);
      return trainAndTest({ layout, folder, train, test, classNames });
    },
  };
}

async function readRecords(folder: string, names: readonly string[], variant: CifarVariant): Promise<ImageList> {
  const { layout, classes, labelBytes } = variant;
  const size = labelBytes + 3 * 32 * 32;
  const records: { readonly file: string; readonly bytes: Uint8Array; readonly position: number }[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const bytes = await readWhole(file, maxFileBytes);
    if (bytes.length === 0 || bytes.length % size !== 0) {
      throw invalidData(
        `${file} has ${bytes.length} bytes, not one or more whole ${layout} records of ${size}: it is cut short or of another format.`,
      );
    }
    for (let position = 0; position < bytes.length / size; position++) {
      records.push({ file, bytes: bytes.subarray(position * size, (position + 1) * size), position });
    }
  }
  const labels = Int32Array.from(records, ({ file, bytes, position }) =>
    checkLabel(bytes[labelBytes - 1] as number, classes, file, position),
  );
  const at = (index: number) => records[index] as (typeof records)[number];
  return imageArray(
    (index) => `${at(index).file}, image ${at(index).position}`,
    [32, 32],
    labels,
    (index) => fromPlanes(at(index).bytes.subarray(labelBytes), 32, 32, 1),
  );
}

/** Both common spellings, plain or compressed: train-images-idx3-ubyte, train-images.idx3-ubyte.gz, … */
const idxFileName = /^(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?$/;

/** Limit for one decompressed file. */
const maxIdxBytes = 2 ** 31;

/**
 * MNIST's format: grey images and their labels, in train-… and t10k-… (which becomes `test`), or in only one of the
 * two. Grey becomes three equal channels. Images of 28×28 are padded with zeros to 32×32, for the networks for small
 * images. Class names are read from classes.txt, one a line; without it there are ten classes, '0' to '9'.
 */
export const idxReader: LayoutReader = {
  layout: 'idx',
  find: async (folder, names) => (names.some((name) => idxFileName.test(name)) ? folder : undefined),
  async open(folder) {
    const namesFile = join(folder, 'classes.txt');
    const classNames = existsSync(namesFile) ? await readClassNames(namesFile) : digits;
    const train = await readIdxSplit(folder, 'train', classNames.length);
    const test = await readIdxSplit(folder, 't10k', classNames.length);
    if (!train?.count && !test?.count) throw invalidData(`${folder} holds no images.`);
    return trainAndTest({ layout: 'idx', folder, train, test, classNames });
  },
};

/** One split's images; undefined if the folder has neither images nor labels of it. */
async function readIdxSplit(folder: string, prefix: 'train' | 't10k', classes: number): Promise<ImageList | undefined> {
  const find = (kind: string) =>
    ['-', '.']
      .flatMap((dot) => ['', '.gz'].map((ending) => join(folder, `${prefix}-${kind.replace('-', dot)}-ubyte${ending}`)))
      .find((file) => existsSync(file));
  const imagesFile = find('images-idx3');
  const labelsFile = find('labels-idx1');
  if (imagesFile === undefined && labelsFile === undefined) return undefined;
  if (imagesFile === undefined || labelsFile === undefined) {
    const kind = imagesFile === undefined ? 'images-idx3' : 'labels-idx1';
    throw invalidData(
      `${folder} has ${imagesFile ?? labelsFile} but not ${prefix}-${kind}-ubyte or ${prefix}-${kind}-ubyte.gz.`,
    );
  }
  const { dims, data } = await readIdx(imagesFile, 3);
  const labels = Int32Array.from((await readIdx(labelsFile, 1)).data);
  const [count, height = 0, width = 0] = dims;
  if (count !== labels.length) {
    throw invalidData(`${imagesFile} has ${count} images, but ${labelsFile} has ${labels.length} labels.`);
  }
  for (const [image, label] of labels.entries()) checkLabel(label, classes, labelsFile, image);
  const margin = height === 28 && width === 28 ? 2 : 0;
  const grey = height * width;
  return imageArray(
    (index) => `${imagesFile}, image ${index}`,
    [height + 2 * margin, width + 2 * margin],
    labels,
    (index) => padToColour(data.subarray(index * grey, (index + 1) * grey), height, width, margin),
  );
}

/**
 * Reads a file of unsigned bytes with `rank` dimensions, of which the last runs fastest. Checks the announced size against
 * the file's length first.
 */
async function readIdx(file: string, rank: number) {
  const packed = await readWhole(file, maxFileBytes);
  const compressed = file.endsWith('.gz');
  const inflate = (bytes: Buffer, options: ZlibOptions) =>
    promisify(gunzip)(bytes, options).catch((cause: Error) => {
      throw invalidData(`${file} cannot be decompressed: ${cause.message}. Download it again.`, cause);
    });
  // The first 4 kB are inflated as far as possible.
  const start = { finishFlush: constants.Z_SYNC_FLUSH };
  const header = compressed ? await inflate(packed.subarray(0, 4096), start) : packed;
  const headerBytes = 4 + 4 * rank;
  const magic = 0x0800 + rank;
  if (header.length < headerBytes || header.readUInt32BE(0) !== magic) {
    const what = rank === 3 ? 'images' : 'labels';
    throw invalidData(`${file} is not an IDX file of ${what}: it does not begin with ${magic}.`);
  }
  const dims = Array.from({ length: rank }, (_, axis) => header.readUInt32BE(4 + 4 * axis));
  const length = headerBytes + dims.reduce((product, dim) => product * dim, 1);
  const mayHold = compressed ? Math.min(packed.length * maxDeflateRatio, maxIdxBytes) : packed.length;
  const bytes = compressed && length <= mayHold ? await inflate(packed, { maxOutputLength: length }) : packed;
  if (length > mayHold || bytes.length !== length || dims.slice(1).includes(0)) {
    throw invalidData(
      `${file} announces ${dims.join(' × ')} bytes after its header, which is not what it holds: it is damaged or cut short.`,
    );
  }
  return { dims, data: bytes.subarray(headerBytes) };
}

/** height × width → (height + 2 margin) × (width + 2 margin) × 3, with a black margin. */
function padToColour(grey: Uint8Array, height: number, width: number, margin: number): Uint8Array {
  const outWidth = width + 2 * margin;
  const colour = new Uint8Array((height + 2 * margin) * outWidth * 3);
  for (let row = 0; row < height; row++) {
    let to = ((row + margin) * outWidth + margin) * 3;
    for (const value of grey.subarray(row * width, (row + 1) * width)) {
      colour.fill(value, to, to + 3);
      to += 3;
    }
  }
  return colour;
}

const stl10Files = ['train_X.bin', 'train_y.bin', 'test_X.bin', 'test_y.bin'];

/** The binary version of STL-10. The ten folds are read if their file is there; the unlabelled images are not read. */
export const stl10: LayoutReader = {
  layout: 'stl10',
  find: marked(stl10Files, 'stl10_binary'),
  async open(folder, walk) {
    await requireEntries(folder, 'stl10', [...stl10Files, 'class_names.txt'], walk);
    const classNames = await readClassNames(join(folder, 'class_names.txt'), 10);
    const train = await readStl10(folder, 'train');
    const test = await readStl10(folder, 'test');
    const file = join(folder, 'fold_indices.txt');
    const folds = existsSync(file) ? await readFolds(file, train.count) : [];
    return trainAndTest({ layout: 'stl10', folder, train, test, classNames, folds });
  },
};

/** Labels have one byte and count from 1; pixels are in MATLAB's layout. */
async function readStl10(folder: string, split: 'train' | 'test'): Promise<ImageList> {
  const labelsFile = join(folder, `${split}_y.bin`);
  const labels = classesFromOne(await readWhole(labelsFile, maxFileBytes), 10, labelsFile);
  const file = join(folder, `${split}_X.bin`);
  const pixels = await readWhole(file, maxFileBytes);
  const expected = labels.length * 3 * 96 * 96;
  if (pixels.length === expected && expected > 0) return matlabImages(file, 96, pixels, labels);
  throw invalidData(
    `${file} has ${pixels.length} bytes, but the ${labels.length} labels of ${labelsFile} ask for ${expected}. Extract the archive again.`,
  );
}

/** Each of the ten lines is a fold: indices into the training set, from 0. */
async function readFolds(file: string, count: number): Promise<Int32Array[]> {
  const rows = await readRows(file, /^(\d+(?:\s+\d+)*)$/, 'INDEX INDEX …');
  const folds = rows.map(([line = '']) => Int32Array.from(line.split(/\s+/), Number));
  for (const [fold, indices] of folds.entries()) {
    const seen = new Set<number>();
    const wrong = indices.find((index) => index >= count || seen.size === seen.add(index).size);
    if (wrong === undefined) continue;
    const problem = wrong >= count ? `there are ${count} training images` : 'it comes twice';
    throw invalidData(`${file}, fold ${fold}: it has image ${wrong}, but ${problem}.`);
  }
  if (folds.length === 10 && folds.every(({ length }) => length === folds[0]?.length)) return folds;
  throw invalidData(`${file} is not 10 folds of equal size. Extract the archive again.`);
}

const svhnFiles = ['train_32x32.mat', 'test_32x32.mat'] as const;

/** The cropped digits of the Street View House Numbers. The extra training images (extra_32x32.mat) are not read. */
export const svhn: LayoutReader = {
  layout: 'svhn',
  find: marked(svhnFiles),
  async open(folder, walk) {
    await requireEntries(folder, 'svhn', svhnFiles, walk);
    const train = await readDigits(join(folder, svhnFiles[0]));
    const test = await readDigits(join(folder, svhnFiles[1]));
    return trainAndTest({ layout: 'svhn', folder, train, test, classNames: digits });
  },
};

async function readDigits(file: string): Promise<ImageList> {
  const variables = await readMat(file, maxFileBytes);
  const images = variables.get('X');
  // MATLAB omits a last dimension of 1.
  const [height, width, channels, count = 1] = images?.kind === 'numbers' ? images.dims : [];
  const fits = height === 32 && width === 32 && channels === 3;
  if (images?.kind !== 'numbers' || !(images.data instanceof Uint8Array) || !fits) {
    throw invalidData(`${file} has no X of 32 × 32 × 3 × N bytes: it is not SVHN's cropped digits.`);
  }
  const labels = variables.get('y');
  if (labels?.kind !== 'numbers' || labels.data.length !== count || count === 0) {
    throw invalidData(`${file} has ${count} images in X, but not one label for each in y.`);
  }
  // Label 10 is the digit 0.
  const classes = classesFromOne(labels.data, 10, file).map((index) => (index + 1) % 10);
  return matlabImages(file, 32, images.data, classes);
}
