import { constants } from 'node:buffer';
import { createHash, hash } from 'node:crypto';
import { addon, type NativeImages } from '../native/addon.js';
import { restName, type SetName, setNames } from '../options/datasets.js';
import { largeSize, shortSide } from '../options/networks.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { sum } from '../system/statistics.js';
import { fitWhole, type StreamedImages } from './batch-decoder.js';
import {
  type Damaged,
  damagedImages,
  indicesLeft,
  noting,
  type SkippedImage,
  toSkipped,
  withoutSkipped,
} from './damaged.js';
import type { Dataset, ImageLists } from './dataset.js';
import { concatenated, type ImageList, subset } from './dataset.js';
import { fitImage } from './fit.js';
import { ImageCache } from './image-cache.js';
import { addIdentities, type DataOptions, fingerprint, loadData, loadUnlabelled } from './load.js';
import { maxHeldBytes } from './parquet/row-groups.js';
import { forEachImage, forEachParallel, type LoopOptions, type Resize } from './reading.js';
import { type DivideOptions, divide } from './split.js';
import { formatSplit } from './split-file.js';

interface ImageSetOptions extends LoopOptions {
  readonly folder: string;
  /** Side of the target's images, pixels. */
  readonly size: number;
  /** Sides of the sources' images. */
  readonly sourceSizes: readonly number[];
  /** Folder that keeps resized images (ImageCache). */
  readonly cache?: string | undefined;
  /** Decode large images once before training, so that damaged ones are found early. */
  readonly check: boolean;
  /** Leave damaged images out, instead of throwing an error that names them. */
  readonly skipDamaged: boolean;
  readonly onWarning?: ((message: string) => void) | undefined;
}

type ImageSet = StreamedImages & { readonly name: SetName };

/** True if steps read it. Its images are kept at the side that the largest network needs. */
const trains = (name: SetName): boolean => name === 'train' || name === 'unlabelled';

/**
 * The images of a run: small ones in memory, large ones decoded when they are needed. The sizes of the training images
 * before they were split (`all`) decide the side at which training images are kept.
 *
 * Throws INVALID_DATA that names the damaged images; FILE_ACCESS; INVALID_OPTION if there is a cache but no large
 * images, or none although the training images do not fit into memory; ABORTED.
 */
export async function makeImageSets(
  lists: ImageLists,
  { train: all, classNames }: Pick<Dataset, 'train' | 'classNames'>,
  options: ImageSetOptions,
) {
  const { resize } = addon();
  const { folder, size, cache, onWarning } = options;
  const trainSize = await trainingSide(all as ImageList, options);
  const sets = setNames.flatMap((name): ImageSet[] => {
    const list = lists[name];
    return list ? [{ name, list, size: trains(name) ? trainSize : size, squash: size < largeSize }] : [];
  });
  const [small, large] = [sets.filter((set) => set.size < largeSize), sets.filter((set) => set.size >= largeSize)];
  if (cache !== undefined && large.length === 0) {
    throw invalidOption(
      `{cache} is for images of at least ${largeSize} pixels: these are decoded once and kept in memory.`,
    );
  }
  const damaged: Damaged[] = [];
  const pixels = new Map(await decodeAll(small, options, resize, damaged));
  const imageCache = cache === undefined ? undefined : new ImageCache(cache, resize, onWarning);
  const seen = new Set<SetName>();
  for (const set of large.filter(({ name }) => trains(name))) {
    if (await prepareAnyOrder(set, imageCache, options, damaged)) seen.add(set.name);
  }
  const cached = large.map((set) => ({ ...set, list: imageCache?.list(set.list, shortSide(set.size)) ?? set.list }));
  if (options.check) {
    const unseen = cached.filter(({ name }) => !seen.has(name));
    await lookAt(unseen, options, damaged);
  }
  if (damaged.length > 0 && !options.skipDamaged) {
    throw damagedImages(folder, damaged, sum(sets.map(({ list }) => list.count)));
  }
  const skipped = toSkipped(damaged, lists);
  const left = withoutSkipped(lists, skipped, { classNames, folder });
  const native: Partial<Record<SetName, NativeImages>> = {};
  /** The image lists of the sets that have no `pixels`. */
  const streamed: Partial<Record<SetName, StreamedImages>> = {};
  const keep = (
    name: SetName,
    { list, ...set }: StreamedImages,
    decoded: Uint8Array | undefined,
    indices: number[],
  ) => {
    const labels = Int32Array.from(indices, (index) => list.labels[index] as number);
    native[name] = { pixels: decoded && rowsOf(decoded, indices, list.count), labels, size: set.size };
    if (!decoded) streamed[name] = { ...set, list: subset(list, indices) };
  };
  for (const { name, ...set } of [...small, ...cached]) {
    keep(name, set, pixels.get(name), indicesLeft(name, set.list, skipped));
  }
  if (left.unlabelled && native.unlabelled) {
    const untested = await indicesOfUntested(left, native, options);
    const list = streamed.unlabelled?.list ?? left.unlabelled;
    const squash = size < largeSize;
    keep('unlabelled', { list, size: trainSize, squash }, native.unlabelled.pixels, untested);
  }
  const { unlabelled, validation, test } = native;
  const tested = (left.unlabelled?.count ?? 0) - (unlabelled?.labels.length ?? 0);
  return {
    train: native.train as NativeImages,
    unlabelled,
    validation,
    test,
    streamed,
    skipped,
    /** Number of images without labels that were left out, since they are validation or test images. */
    tested,
  };
}

/**
 * The indices of the images without labels that are no validation or test images: after resizing to an image that the
 * target is evaluated on, a pixel differs. @throws L2TError INVALID_DATA if none is left.
 */
async function indicesOfUntested(
  left: ImageLists,
  native: Partial<Record<SetName, NativeImages>>,
  { folder, size, onProgress, signal }: ImageSetOptions,
): Promise<number[]> {
  const { resize } = addon();
  const stride = size * size * 3;
  const hashOf = async (name: SetName, index: number): Promise<string> => {
    const kept = native[name];
    const list = left[name] as ImageList;
    const image =
      kept?.pixels && kept.size === size
        ? kept.pixels.subarray(index * stride, (index + 1) * stride)
        : await fitImage(await list.read(index), size, resize, list.name(index));
    return hash('sha256', image, 'base64');
  };
  const tested = new Set<string>();
  const untested: number[] = [];
  const sets = (['validation', 'test', 'unlabelled'] as const).flatMap((name) => {
    const list = left[name];
    return list ? [{ name, list }] : [];
  });
  await forEachImage(sets, folder, { onProgress, signal }, async ({ name }, index) => {
    const image = await hashOf(name, index);
    if (name !== 'unlabelled') tested.add(image);
    else if (!tested.has(image)) untested.push(index);
  });
  if (untested.length > 0) return untested.sort((a, b) => a - b);
  throw invalidData('Every image of {unlabelled} is a validation or test image: give others.');
}

/** The rows `indices`, which ascend, of `count`: they are moved to the front. */
function rowsOf(pixels: Uint8Array, indices: readonly number[], count: number): Uint8Array {
  if (indices.length === count) return pixels;
  const stride = pixels.length / count;
  for (const [row, index] of indices.entries()) pixels.copyWithin(row * stride, index * stride, (index + 1) * stride);
  return pixels.subarray(0, indices.length * stride);
}

/** Milliseconds that a look at the training images may take, unless damaged ones are left out. */
const longestLook = 120_000;
/** The number of first images whose time tells how long the others take. */
const timed = 64;

/**
 * Decodes images, and adds those that are damaged to `damaged`. Validation and test images are all decoded, since they
 * are needed after an epoch; training images only if that does not take long.
 */
async function lookAt(sets: readonly ImageSet[], options: ImageSetOptions, damaged: Damaged[]): Promise<void> {
  const { resize } = addon();
  const tooLong = new Error();
  let began = 0;
  const look = noting(damaged, async ({ name, ...set }: ImageSet, index) => {
    if (!trains(name)) return void (await fitWhole(set, index, resize));
    if (index === 0) began = performance.now();
    const estimate = ((performance.now() - began) / timed) * set.list.count;
    if (index === timed && !options.skipDamaged && estimate > longestLook) throw tooLong;
    // A reduced image takes half the time, and shows the same damage.
    await set.list.read(index, () => 5);
  });
  const trainLast = sets.toSorted((a, b) => Number(trains(a.name)) - Number(trains(b.name)));
  await forEachImage(trainLast, options.folder, options, look).catch((error: unknown) => {
    if (error !== tooLong) throw error;
  });
}

/**
 * Training reads its images in a new order each epoch. Where they are stored in groups that are read as a whole, they are
 * first read in the order of the groups: into the cache, or else into memory. Returns whether all were decoded.
 */
async function prepareAnyOrder(
  set: ImageSet,
  cache: ImageCache | undefined,
  options: ImageSetOptions,
  damaged: Damaged[],
): Promise<boolean> {
  const { list } = set;
  const short = shortSide(set.size);
  if (list.hold === undefined) return false;
  if (cache) {
    const fill = noting(damaged, (_: ImageSet, index) => cache.fill(list, short, index));
    await forEachImage([set], options.folder, options, fill);
    if (cache.writable) return true;
  }
  if (await list.hold([...Array(list.count).keys()], options.signal)) return false;
  const gigabytes = ((list.count * short * short * 4) / 2 ** 30).toFixed(1);
  throw invalidOption(
    `${options.folder}: the ${list.count} training images take more than ${maxHeldBytes / 2 ** 30} GiB of memory. Give {cache} a folder that can be written, to keep them on disk (some ${gigabytes} GiB), or train on fewer with {perClass}.`,
  );
}

/** Number of images that are read to estimate how large the data set's images are. */
const sampled = 32;

/** The largest side that the target or a source needs, but no more than the images have, and at least the target's. */
async function trainingSide(all: ImageList, { size, sourceSizes }: ImageSetOptions): Promise<number> {
  const largest = Math.max(size, ...sourceSizes);
  if (largest === size) return size;
  const sides = await sampleShortSides(all);
  return Math.min(largest, Math.max(size, sides[Math.floor(sides.length / 2)] as number));
}

/**
 * The short sides of some images, pixels, in ascending order; of one, where all are in one array. Damaged images are
 * passed over.
 *
 * Throws like `ImageList.read`, INVALID_DATA only if none of them can be read.
 */
export async function sampleShortSides(list: ImageList): Promise<readonly number[]> {
  if (list.sides) return [Math.min(...list.sides)];
  const count = Math.min(sampled, list.count);
  const sides: number[] = [];
  const damaged: Damaged[] = [];
  const read = noting(damaged, async (_: { readonly name: SetName }, index) => {
    const { height, width } = await list.read(index);
    sides.push(Math.min(height, width));
  });
  await forEachParallel(count, (k) => read({ name: 'train' }, Math.floor((k * list.count) / count)));
  if (sides.length === 0) throw damaged[0]?.error;
  return sides.sort((a, b) => a - b);
}

/**
 * Decodes small images, which are kept in memory: for each set, all its images in order, as size × size × 3 (fitImage).
 * `onProgress` counts the images of all sets. Damaged images stay black, and are added to `damaged`.
 *
 * Throws the other errors of `ImageList.read`; INVALID_DATA if the images do not fit in memory or in one array; ABORTED.
 */
export async function decodeAll(
  lists: readonly { readonly name: SetName; readonly list: ImageList; readonly size: number }[],
  options: LoopOptions & Pick<ImageSetOptions, 'folder'>,
  resize: Resize,
  damaged: Damaged[],
): Promise<(readonly [SetName, Uint8Array])[]> {
  const sets = lists.map((each) => ({ ...each, pixels: allocatePixels(each.list.count, each.size, options.folder) }));
  const decode = noting(damaged, async ({ list, size, pixels }: (typeof sets)[number], index) => {
    const image = await list.read(index);
    pixels.set(await fitImage(image, size, resize, list.name(index)), index * size * size * 3);
  });
  await forEachImage(sets, options.folder, options, decode);
  return sets.map(({ name, pixels }) => [name, pixels] as const);
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

type TrainingDataOptions = DataOptions &
  DivideOptions &
  Omit<ImageSetOptions, 'folder' | 'check'> & {
    /** Paths of images without labels, or `rest`: the training images that `perClass` leaves out. */
    readonly unlabelled?: readonly string[] | undefined;
    /** The damaged images that a resumed run left out when it began. If given, no others are looked for. */
    readonly skipped?: readonly SkippedImage[] | undefined;
    /** Called before images are decoded. */
    readonly onClasses?: ((classNames: readonly string[]) => void) | undefined;
  };

async function unlabelledImages(
  paths: readonly string[],
  rest: ImageList | undefined,
  { signal, onListed }: TrainingDataOptions,
): Promise<ImageList> {
  const files = paths.filter((path) => path !== restName);
  const lists = await loadUnlabelled(files, { signal, onListed });
  if (files.length === paths.length) return concatenated(lists);
  if (rest !== undefined && rest.count > 0) return concatenated([rest, ...lists]);
  throw invalidOption('{unlabelled=rest}: {perClass} leaves no training images: leave it out, or draw fewer.');
}

export type TrainingData = Awaited<ReturnType<typeof prepareTrainingData>>;

/** Node hashes fewer than 2 GiB in one call. */
const mostHashed = 2 ** 30;

/**
 * Loads a data set for training and splits its training images into those that train and those that validate. Small
 * images are decoded here, once; images from 64 pixels on are decoded when training needs them.
 */
export async function prepareTrainingData(options: TrainingDataOptions) {
  const dataset = await loadData({ ...options, drawTest: true });
  const { data: folder, skipped: known } = options;
  options.onClasses?.(dataset.classNames);
  const { lists: labelled, division, rest } = divide(dataset, options);
  const unlabelled = options.unlabelled && (await unlabelledImages(options.unlabelled, rest, options));
  const lists = { ...labelled, unlabelled };
  const left = withoutSkipped(lists, known ?? [], { ...dataset, folder });
  const images = createHash('sha256').update(await fingerprint(dataset, options.signal));
  const check = known === undefined;
  const skipDamaged = check && options.skipDamaged;
  const { skipped, ...sets } = await makeImageSets(left, dataset, { ...options, folder, check, skipDamaged });
  // File names and sizes do not detect every change, so the decoded pixels are hashed as well, where there are any.
  const without = createHash('sha256');
  if (unlabelled) await addIdentities(without, unlabelled, folder, options.signal);
  for (const name of setNames) {
    const pixels = sets[name]?.pixels ?? new Uint8Array();
    const into = name === 'unlabelled' ? without : images;
    for (let at = 0; at < pixels.length; at += mostHashed) into.update(pixels.subarray(at, at + mostHashed));
  }
  return {
    classNames: dataset.classNames,
    ...sets,
    division,
    skipped: known ?? skipped,
    /** True if the data has no test images, so that a tenth of each class was drawn for the test. */
    testDrawn: dataset.testDrawn === true,
    /** SHA-256 that identifies the data. */
    fingerprint: images.digest('hex'),
    /** The same of the images without labels; undefined without any. */
    unlabelledHash: unlabelled && without.digest('hex'),
    /** SHA-256 of the division: which images train, validate and test. */
    splitHash: hash('sha256', formatSplit(division)),
  };
}
