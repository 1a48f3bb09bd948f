import { join } from 'node:path';
import { type DecodedImage, decodeImage, type Reduction } from './decode.js';
import { fileSize } from './reading.js';

/** The labelled images of one split as they lie on disk: nothing is decoded until it is read. */
export interface ImageList {
  readonly count: number;
  /** One class index an image. */
  readonly labels: Int32Array;
  /** Height and width of every image, where one array holds them all; undefined where each is a file of its own. */
  readonly sides: readonly [height: number, width: number] | undefined;
  /** What messages call image `index`: its file, and its place in it where there are more. */
  name(index: number): string;
  /**
   * Image `index`, 8-bit RGB, whole; a JPEG reduced as `reduction` says, which is asked once.
   *
   * Throws INVALID_DATA where it is damaged, of another format or too large; FILE_ACCESS.
   */
  read(index: number, reduction?: Reduction): Promise<DecodedImage>;
  /** Its place in the data set's own list, which a subset's images keep. */
  position(index: number): number;
  /** What tells image `index` from another without decoding it: its file's name and size, or its pixels. */
  identity(index: number): Promise<string | Uint8Array>;
}

/** Images that are files of their own, below `folder`. */
export function imageFiles(folder: string, files: readonly string[], labels: ArrayLike<number>): ImageList {
  const path = (index: number) => join(folder, files[index] as string);
  return {
    count: files.length,
    labels: Int32Array.from(labels),
    sides: undefined,
    name: path,
    read: (index, reduction) => decodeImage(path(index), reduction),
    position: (index) => index,
    identity: async (index) => JSON.stringify([files[index], await fileSize(path(index))]),
  };
}

/** Images in memory: `pixels` gives one as height × width × 3, RGB. `file` is what messages name. */
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
    name: file,
    async read(index, reduction) {
      reduction?.(height, width);
      return { pixels: pixels(index), height, width };
    },
    position: (index) => index,
    identity: async (index) => pixels(index),
  };
}

/** Images `indices` of a list, in that order, with other labels where they are given. */
export function subset(list: ImageList, indices: ArrayLike<number>, labels?: Int32Array): ImageList {
  const at = (index: number) => indices[index] as number;
  return {
    count: indices.length,
    labels: labels ?? Int32Array.from(indices, (index) => list.labels[index] as number),
    sides: list.sides,
    name: (index) => list.name(at(index)),
    read: (index, reduction) => list.read(at(index), reduction),
    position: (index) => list.position(at(index)),
    identity: (index) => list.identity(at(index)),
  };
}
