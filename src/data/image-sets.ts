import { constants } from 'node:buffer';
import { addon, type NativeImages } from '../native/addon.js';
import { type SplitName, splitNames } from '../options/datasets.js';
import { largeSize, shortSide } from '../options/networks.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { fitWhole, type StreamedImages } from './batch-decoder.js';
import { fitImage } from './fit.js';
import { ImageCache } from './image-cache.js';
import type { ImageList } from './image-list.js';
import { maxHeldBytes } from './parquet/row-groups.js';
import { type DecodeOptions, forEachImage, forEachParallel } from './reading.js';

/** The images of each set, not yet decoded. */
export type ImageLists = { readonly [name in SplitName]: ImageList | undefined } & { readonly train: ImageList };

export interface ImageSetOptions extends Omit<DecodeOptions, 'resize'> {
  readonly folder: string;
  /** Side of the target's images, pixels. */
  readonly size: number;
  /** Sides of the sources' images. */
  readonly sourceSizes: readonly number[];
  /** Folder that keeps resized images (ImageCache). */
  readonly cache?: string | undefined;
  /** Decode large validation and test images once before training, so that damaged ones are found early. */
  readonly check: boolean;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * The images of a run: small ones in memory, large ones decoded when they are needed. `all`: the training images before
 * they were split. Their sizes decide the side at which training images are kept.
 *
 * Throws INVALID_DATA for a damaged image; FILE_ACCESS; INVALID_OPTION if there is a cache but no large images, or none
 * although the training images do not fit into memory; ABORTED.
 */
export async function makeImageSets(lists: ImageLists, all: ImageList, options: ImageSetOptions) {
  const { resize } = addon();
  const { folder, size, cache, onWarning } = options;
  const sizes = { train: await trainingSide(all, options), validation: size, test: size };
  const present = splitNames.flatMap((name) => {
    const list = lists[name];
    return list === undefined ? [] : [{ name, list, size: sizes[name] }];
  });
  const small = present.filter((set) => set.size < largeSize);
  if (cache !== undefined && small.length === present.length) {
    throw invalidOption(
      `{cache} is for images of at least ${largeSize} pixels: these are decoded once and kept in memory.`,
    );
  }
  const decoded = await decodeAll(small, folder, { ...options, resize });
  const pixels = new Map(small.map(({ name }, k) => [name, decoded[k]]));
  const imageCache = cache === undefined ? undefined : new ImageCache(cache, resize, onWarning);
  /** The image lists of the sets that have no `pixels`. */
  const streamed: Partial<Record<SplitName, StreamedImages>> = {};
  for (const { name, list, size: side } of present) {
    if (side < largeSize) continue;
    if (name === 'train') await prepareAnyOrder(list, shortSide(side), imageCache, options);
    const through = imageCache?.list(list, shortSide(side)) ?? list;
    streamed[name] = { list: through, size: side, squash: size < largeSize };
  }
  if (options.check) {
    // Training images need no check, because the first epoch reads all of them; test images are read after the last.
    const evaluated = [streamed.validation, streamed.test].filter((set) => set !== undefined);
    await forEachImage(evaluated, folder, options, async (set, index) => {
      await fitWhole(set, index, resize);
    });
  }
  const set = (name: SplitName): NativeImages | undefined => {
    const list = lists[name];
    return list && { pixels: pixels.get(name), labels: list.labels, size: sizes[name] };
  };
  return { train: set('train') as NativeImages, validation: set('validation'), test: set('test'), streamed };
}

/**
 * Training reads its images in a new order each epoch. Where they are stored in groups that are read as a whole, they are
 * first read in the order of the groups: into the cache, or else into memory.
 */
async function prepareAnyOrder(
  list: ImageList,
  short: number,
  cache: ImageCache | undefined,
  options: ImageSetOptions,
): Promise<void> {
  if (list.hold === undefined) return;
  if (cache) {
    await forEachImage([{ list }], options.folder, options, (_, index) => cache.fill(list, short, index));
    if (cache.writable) return;
  }
  if (await list.hold([...Array(list.count).keys()], options.signal)) return;
  const gigabytes = ((list.count * short * short * 4) / 2 ** 30).toFixed(1);
  throw invalidOption(
    `${options.folder}: the ${list.count} training images take more than the ${maxHeldBytes / 2 ** 30} GiB that are kept in memory. Give {cache} a folder that can be written, which keeps them on disk (some ${gigabytes} GiB), or train on fewer with {perClass}.`,
  );
}

/** Number of images that are read to estimate how large the data set's images are. */
const sampled = 32;

/** The largest side that the target or a source needs, but no more than the images have, and at least the target's. */
async function trainingSide(all: ImageList, { size, sourceSizes }: ImageSetOptions): Promise<number> {
  const wanted = Math.max(size, ...sourceSizes);
  if (wanted === size) return size;
  const sides = await sampleShortSides(all);
  return Math.min(wanted, Math.max(size, sides[Math.floor(sides.length / 2)] as number));
}

/**
 * The short sides of some images, pixels, in ascending order; of one, where all are in one array.
 *
 * Throws like `ImageList.read`.
 */
export async function sampleShortSides(list: ImageList): Promise<readonly number[]> {
  if (list.sides) return [Math.min(...list.sides)];
  const count = Math.min(sampled, list.count);
  const sides = new Array<number>(count);
  await forEachParallel(count, async (k) => {
    const { height, width } = await list.read(Math.floor((k * list.count) / count));
    sides[k] = Math.min(height, width);
  });
  return sides.sort((a, b) => a - b);
}

/**
 * Decodes small images, which are kept in memory: for each list, all its images in order, as size × size × 3
 * (fitImage). `onProgress` counts the images of all lists.
 *
 * Throws the errors of `ImageList.read`; INVALID_DATA if the images do not fit in memory or in one array; ABORTED.
 */
export async function decodeAll(
  wanted: readonly { readonly list: ImageList; readonly size: number }[],
  folder: string,
  { resize, ...options }: DecodeOptions,
): Promise<Uint8Array[]> {
  const sets = wanted.map((each) => ({ ...each, pixels: allocatePixels(each.list.count, each.size, folder) }));
  await forEachImage(sets, folder, options, async ({ list, size, pixels }, index) => {
    const image = await list.read(index);
    pixels.set(await fitImage(image, size, resize, list.name(index)), index * size * size * 3);
  });
  return sets.map(({ pixels }) => pixels);
}

function allocatePixels(count: number, size: number, folder: string): Uint8Array {
  const bytes = count * size * size * 3;
  try {
    // The addon takes one array, and V8 limits its length to far less than the address space.
    if (bytes <= constants.MAX_LENGTH) return new Uint8Array(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  throw invalidData(
    `${folder}: ${count} images of ${size}×${size} take ${gigabytes} GiB, more than can be held at once. Use fewer images or a smaller {size}.`,
  );
}
