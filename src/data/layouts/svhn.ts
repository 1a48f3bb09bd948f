import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { trainAndTest } from '../dataset.js';
import type { ImageList } from '../image-list.js';
import type { LayoutReader } from '../layout-reader.js';
import { marked, requireEntries } from '../listing.js';
import { classesFromOne, matlabImages, readMat } from '../matlab.js';

const files = ['train_32x32.mat', 'test_32x32.mat'] as const;
const side = 32;
const maxFileBytes = 2 ** 30;
const classNames = [...'0123456789'];

/** The cropped digits of the Street View House Numbers. The extra training images (extra_32x32.mat) are not read. */
export const svhn: LayoutReader = {
  layout: 'svhn',
  find: marked(files),
  async open(folder, walk) {
    await requireEntries(folder, 'svhn', files, walk);
    const train = await readDigits(join(folder, files[0]));
    const test = await readDigits(join(folder, files[1]));
    return trainAndTest({ layout: 'svhn', folder, train, test, classNames });
  },
};

async function readDigits(file: string): Promise<ImageList> {
  const variables = await readMat(file, maxFileBytes);
  const images = variables.get('X');
  // MATLAB omits a last dimension of 1.
  const [height, width, channels, count = 1] = images?.kind === 'numbers' ? images.dims : [];
  const fits = height === side && width === side && channels === 3;
  if (images?.kind !== 'numbers' || !(images.data instanceof Uint8Array) || !fits) {
    throw invalidData(`${file} has no X of 32 × 32 × 3 × N bytes: it is not SVHN's cropped digits.`);
  }
  const labels = variables.get('y');
  if (labels?.kind !== 'numbers' || labels.data.length !== count || count === 0) {
    throw invalidData(`${file} has ${count} images in X, but not one label for each in y.`);
  }
  // Label 10 is the digit 0.
  const digits = classesFromOne(labels.data, 10, file).map((index) => (index + 1) % 10);
  return matlabImages(file, side, images.data, digits);
}
