import { join } from 'node:path';
import { decodeImage, type ReadImage, type Reduction } from './decode.js';
import { fileSize } from './reading.js';

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
    hold: list.hold && ((wanted, signal) => (list.hold as NonNullable<ImageList['hold']>)(wanted.map(at), signal)),
  };
}
