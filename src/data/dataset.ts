import { join } from 'node:path';
import type { Layout, SetName } from '../options/datasets.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { sum } from '../system/statistics.js';
import { decodeImage, type ReadImage, type Reduction } from './decode.js';
import { fileSize } from './reading.js';

/** A data set on disk, in the common form of all layouts. A split is undefined if the folder does not have it. */
export interface Dataset {
  readonly layout: Layout;
  /** The folder that holds the data set, for error messages. */
  readonly folder: string;
  /** A folder of class folders without splits. All images are in `train`, and `eval` evaluates all of them. */
  readonly flat: boolean;
  readonly train: ImageList | undefined;
  readonly validation: ImageList | undefined;
  readonly test: ImageList | undefined;
  readonly classNames: readonly string[];
  /** For each published fold, the indices of its training images; empty if the data set has no folds. */
  readonly folds: readonly Int32Array[];
  /** Columns of Parquet files that were found or named. */
  readonly columns?: { readonly image: string; readonly label: string };
  /** Warnings about ignored files, for stderr. */
  readonly warnings: readonly string[];
  /** The division by a split file (split-file.ts), if there is one. Images that it leaves out are in no split. */
  readonly division?: Division;
  /** `test` was drawn from the training images (`withTest`). */
  readonly testDrawn?: true;
}

/** The images of each set of a run, not yet decoded. */
export type ImageLists = { readonly [name in SetName]?: ImageList | undefined } & { readonly train: ImageList };

/** The content of a split file: indices into the data set's own lists. */
export interface Division {
  /** This and `validation`, which may be empty: indices into the training images. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /**
   * Indices into the test images, or the training images if the data has no test images. Undefined: all test images.
   */
  readonly test: Int32Array | undefined;
}

/** Returns the label. Throws INVALID_DATA, naming the file and the image, if it is not a valid class. */
export function checkLabel(label: number, classes: number, file: string, image: number): number {
  if (label >= 0 && label < classes) return label;
  throw invalidData(`${file}: image ${image} has label ${label}, but there are ${classes} classes.`);
}

export function countPerClass(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
}

/**
 * The weight of each of `classes` classes with which all count alike in a mean over the images: N/(K·N_c), for N images
 * with these labels, K classes of which class c has N_c images; 0 if it has none. Their mean over the images is 1 if
 * every class has an image.
 */
export function balancedWeights(labels: Int32Array, classes: number): number[] {
  return countPerClass(labels, classes).map((count) => (count === 0 ? 0 : labels.length / (classes * count)));
}

/** Throws INVALID_DATA if a class has no training image. */
export function checkEveryClass(train: ImageList, classNames: readonly string[], folder: string): void {
  const empty = countPerClass(train.labels, classNames.length).indexOf(0);
  if (empty === -1) return;
  throw invalidData(`${folder}: class '${shown(classNames[empty] as string)}' has no training images.`);
}

/**
 * A data set of a layout that has no more than training and test images. Throws INVALID_DATA if a class has no training
 * image.
 */
export function trainAndTest(
  has: Pick<Dataset, 'layout' | 'folder' | 'train' | 'test' | 'classNames'> & Partial<Dataset>,
): Dataset {
  if (has.train) checkEveryClass(has.train, has.classNames, has.folder);
  return { flat: false, validation: undefined, folds: [], warnings: [], ...has };
}

/**
 * Keeps only the images of some classes and relabels them: class `classIndices[k]` becomes class k in every split.
 * Images keep their order. A split without remaining images becomes undefined.
 */
export function selectClasses(dataset: Dataset, classIndices: readonly number[]): Dataset {
  const relabel = new Map(classIndices.map((index, position) => [index, position]));
  const classNames = classIndices.map((index, position) => {
    const name = dataset.classNames[index] as string;
    if (relabel.get(index) === position) return name;
    throw invalidOption(`{classes}: '${shown(name)}' is given twice: leave one out.`);
  });
  const select = (list: ImageList | undefined): ImageList | undefined => {
    if (list === undefined) return undefined;
    const kept = [...list.labels.keys()].filter((image) => relabel.has(list.labels[image] as number));
    const labels = Int32Array.from(kept, (image) => relabel.get(list.labels[image] as number) as number);
    return kept.length > 0 ? subset(list, kept, labels) : undefined;
  };
  return {
    ...dataset,
    classNames,
    train: select(dataset.train),
    validation: select(dataset.validation),
    test: select(dataset.test),
    // Folds hold indices into the whole training set, which no longer apply.
    folds: [],
  };
}

/** The labelled images of one split. An image is decoded only when it is read. */
export interface ImageList {
  readonly count: number;
  /** The class index of each image. */
  readonly labels: Int32Array;
  /** Height and width of all images if they are in one array; undefined if each image is a file. */
  readonly sides: readonly [height: number, width: number] | undefined;
  /** The file that holds image `index`; undefined if its pixels are in an array. */
  file(index: number): string | undefined;
  /** The name of image `index` in messages: its file, and its index in the file if it holds several images. */
  name(index: number): string;
  /**
   * Image `index`, whole and upright, as 8-bit RGB. `reduction` is called once; a JPEG is reduced by its result.
   *
   * Throws INVALID_DATA if the image is damaged, of another format or too large; FILE_ACCESS.
   */
  read(index: number, reduction?: Reduction): Promise<ReadImage>;
  /** The index of image `index` in the data set's own list; a subset keeps it. */
  position(index: number): number;
  /** Identifies image `index` without decoding it: the name and size of its file, or its pixels. */
  identity(index: number): Promise<string | Uint8Array>;
  /**
   * Reads images, still encoded, into memory, so that they can be read in any order. False if they do not fit into
   * `maxHeldBytes` (parquet/row-groups.ts). Undefined if every order takes the same time anyway.
   */
  readonly hold?: ((indices: readonly number[], signal: AbortSignal | undefined) => Promise<boolean>) | undefined;
}

/** The images of several lists one after the other, without labels: −1. */
export function concatenated(lists: readonly ImageList[]): ImageList {
  const starts = lists.map((_, k) => sum(lists.slice(0, k).map(({ count }) => count)));
  const listAt = (index: number) => starts.findLastIndex((start) => start <= index);
  const at = <T>(index: number, body: (list: ImageList, index: number) => T): T => {
    const k = listAt(index);
    return body(lists[k] as ImageList, index - (starts[k] as number));
  };
  const count = sum(lists.map((list) => list.count));
  return {
    count,
    labels: new Int32Array(count).fill(-1),
    sides: undefined,
    file: (index) => at(index, (list, k) => list.file(k)),
    name: (index) => at(index, (list, k) => list.name(k)),
    read: (index, reduction) => at(index, (list, k) => list.read(k, reduction)),
    position: (index) => index,
    identity: (index) => at(index, (list, k) => list.identity(k)),
    hold: lists.every(({ hold }) => hold === undefined)
      ? undefined
      : async (indices, signal) => {
          for (const [l, { hold }] of lists.entries()) {
            const rows = indices.filter((index) => listAt(index) === l).map((index) => index - (starts[l] as number));
            if (hold && !(await hold(rows, signal))) return false;
          }
          return true;
        },
  };
}

/** Images that are separate files below `folder`. */
export function imageFiles(folder: string, files: readonly string[], labels: ArrayLike<number>): ImageList {
  const path = (index: number) => join(folder, files[index] as string);
  return {
    count: files.length,
    labels: Int32Array.from(labels),
    sides: undefined,
    file: path,
    name: path,
    read: (index, reduction) => decodeImage(path(index), reduction),
    position: (index) => index,
    identity: async (index) => JSON.stringify([files[index], await fileSize(path(index))]),
  };
}

/** Images in memory. `pixels` returns one as height × width × 3, RGB; `file` returns its name for messages. */
export function imageArray(
  file: (index: number) => string,
  sides: readonly [height: number, width: number],
  labels: Int32Array,
  pixels: (index: number) => Uint8Array,
): ImageList {
  const [height, width] = sides;
  return {
    count: labels.length,
    labels,
    sides,
    file: () => undefined,
    name: file,
    async read(index, reduction) {
      reduction?.(height, width);
      return { pixels: pixels(index), height, width };
    },
    position: (index) => index,
    identity: async (index) => pixels(index),
  };
}

/**
 * Three planes of side × side bytes → side × side × 3. `row` and `column`: bytes in a plane from a pixel to the one below
 * it, and to the one on its right.
 */
export function fromPlanes(planes: Uint8Array, side: number, row: number, column: number): Uint8Array {
  const plane = side * side;
  const pixels = new Uint8Array(3 * plane);
  let to = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = y * row + x * column;
      pixels[to++] = planes[at] as number;
      pixels[to++] = planes[plane + at] as number;
      pixels[to++] = planes[2 * plane + at] as number;
    }
  }
  return pixels;
}

/** The images `indices` of a list, in that order. `labels`, if given, replaces their labels. */
export function subset(list: ImageList, indices: ArrayLike<number>, labels?: Int32Array): ImageList {
  const at = (index: number) => indices[index] as number;
  return {
    count: indices.length,
    labels: labels ?? Int32Array.from(indices, (index) => list.labels[index] as number),
    sides: list.sides,
    file: (index) => list.file(at(index)),
    name: (index) => list.name(at(index)),
    read: (index, reduction) => list.read(at(index), reduction),
    position: (index) => list.position(at(index)),
    identity: (index) => list.identity(at(index)),
    hold: list.hold && ((indices, signal) => (list.hold as NonNullable<ImageList['hold']>)(indices.map(at), signal)),
  };
}
