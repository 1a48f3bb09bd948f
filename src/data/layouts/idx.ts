import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip, type ZlibOptions } from 'node:zlib';
import { invalidData } from '../../system/failures.js';
import { checkLabel, trainAndTest } from '../dataset.js';
import { type ImageList, imageArray } from '../image-list.js';
import type { LayoutReader } from '../layout-reader.js';
import { readClassNames } from '../listing.js';
import { maxDeflateRatio, readWhole } from '../reading.js';

/** Both common spellings, plain or compressed: train-images-idx3-ubyte, train-images.idx3-ubyte.gz, … */
const idxFileName = /^(train|t10k)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?$/;

const classNamesFile = 'classes.txt';
const maxFileBytes = 2 ** 30;
/** Limit for one decompressed file. */
const maxBytes = 2 ** 31;

/**
 * MNIST's format: grey images and their labels, in train-… and t10k-… (which becomes `test`), or in only one of the
 * two. Grey becomes three equal channels. Images of 28×28 are padded with zeros to 32×32, for the networks for small
 * images. Class names are read from classes.txt, one a line; without it there are ten classes, '0' to '9'.
 *
 * `open` throws INVALID_DATA for images without labels or labels without images, a wrong magic number, dimensions that
 * do not fit the file, different numbers of images and labels, a label that is no class, or a class without training
 * images; FILE_ACCESS.
 */
export const idxReader: LayoutReader = {
  layout: 'idx',
  find: async (folder, names) => (names.some((name) => idxFileName.test(name)) ? folder : undefined),
  async open(folder) {
    const namesFile = join(folder, classNamesFile);
    const classNames = existsSync(namesFile) ? await readClassNames(namesFile) : [...'0123456789'];
    const train = await readSplit(folder, 'train', classNames.length);
    const test = await readSplit(folder, 't10k', classNames.length);
    if (!train?.count && !test?.count) throw invalidData(`${folder} holds no images.`);
    return trainAndTest({ layout: 'idx', folder, train, test, classNames });
  },
};

/** One split's images; undefined if the folder has neither images nor labels of it. */
async function readSplit(folder: string, prefix: 'train' | 't10k', classes: number): Promise<ImageList | undefined> {
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
  // The first 4 kB are inflated as far as possible.
  const start = { finishFlush: constants.Z_SYNC_FLUSH };
  const header = compressed ? await inflate(file, packed.subarray(0, 4096), start) : packed;
  const headerBytes = 4 + 4 * rank;
  const magic = 0x0800 + rank;
  if (header.length < headerBytes || header.readUInt32BE(0) !== magic) {
    const what = rank === 3 ? 'images' : 'labels';
    throw invalidData(`${file} is not an IDX file of ${what}: it does not begin with ${magic}.`);
  }
  const dims = Array.from({ length: rank }, (_, axis) => header.readUInt32BE(4 + 4 * axis));
  const length = headerBytes + dims.reduce((product, dim) => product * dim, 1);
  const mayHold = compressed ? Math.min(packed.length * maxDeflateRatio, maxBytes) : packed.length;
  const bytes = compressed && length <= mayHold ? await inflate(file, packed, { maxOutputLength: length }) : packed;
  if (length > mayHold || bytes.length !== length || dims.slice(1).includes(0)) {
    throw invalidData(
      `${file} announces ${dims.join(' × ')} bytes after its header, which is not what it holds: it is damaged or cut short.`,
    );
  }
  return { dims, data: bytes.subarray(headerBytes) };
}

async function inflate(file: string, packed: Buffer, options: ZlibOptions): Promise<Buffer> {
  try {
    return await promisify(gunzip)(packed, options);
  } catch (cause) {
    throw invalidData(`${file} cannot be decompressed: ${(cause as Error).message}. Download it again.`, cause);
  }
}

/** height × width → (height + 2 margin) × (width + 2 margin) × 3, with a black margin. */
function padToColour(grey: Uint8Array, height: number, width: number, margin: number): Uint8Array {
  const outWidth = width + 2 * margin;
  const colour = new Uint8Array((height + 2 * margin) * outWidth * 3);
  for (let row = 0; row < height; row++) {
    let to = ((row + margin) * outWidth + margin) * 3;
    for (let column = 0; column < width; column++) {
      const value = grey[row * width + column] as number;
      colour[to++] = value;
      colour[to++] = value;
      colour[to++] = value;
    }
  }
  return colour;
}
