import sharp from 'sharp';
import { BatchDecoder } from '../data/batch-decoder.js';
import { type ImageList, imageArray } from '../data/dataset.js';
import { decodeBytes } from '../data/decode.js';
import { drawsPerCrop } from '../data/fit.js';
import { Random } from '../data/random.js';
import { addon } from '../native/addon.js';
import { largeSize } from '../options/networks.js';

/** Average size of ImageNet's photographs, pixels. */
const photograph = { width: 500, height: 375 };
const leastSeconds = 2;

/**
 * Images decoded per second for training at `size`: JPEGs of 500 × 375 in memory, a random resized crop of each.
 * Undefined for small images, which are decoded once, before training.
 */
export async function measureDecoding(size: number, batch: number): Promise<number | undefined> {
  if (size < largeSize) return undefined;
  const list = await photographs(batch);
  const decoder = new BatchDecoder({ train: { list, size, squash: false } }, addon().resize);
  const random = new Random(1);
  const images = Int32Array.from({ length: batch }, (_, k) => k);
  const decode = () => {
    const draws = Float64Array.from({ length: batch * drawsPerCrop }, () => random.uniform());
    return decoder.decode({ type: 'decode', ticket: 0, set: 'train', images, draws });
  };
  await decode();
  const start = performance.now();
  for (let decoded = batch; ; decoded += batch) {
    await decode();
    const seconds = (performance.now() - start) / 1000;
    if (seconds >= leastSeconds) return decoded / seconds;
  }
}

/** A list that repeats one picture: smooth with noise, so that it compresses like a photograph (to some 100 kB). */
async function photographs(count: number): Promise<ImageList> {
  const { width, height } = photograph;
  const random = new Random(2);
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const [row, column] = [Math.floor(at / 3 / width), Math.floor(at / 3) % width];
    return 110 + 70 * Math.sin(row / 31) * Math.cos(column / 23) + random.below(40);
  });
  const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
  const list = imageArray(
    (index) => `picture ${index}`,
    [height, width],
    new Int32Array(count),
    () => bytes,
  );
  return { ...list, sides: undefined, read: (index, reduction) => decodeBytes(bytes, list.name(index), reduction) };
}
