import { stat } from 'node:fs/promises';
import { types } from 'node:util';
import { type DecodedImage, decodeBytes, decodeImage, maxPixels } from '../data/decode.js';
import type { L2TError } from '../errors.js';
import { type Control, guarded } from '../options/arguments.js';
import { absolutePath, isPath } from '../options/check.js';
import { fileAccess, invalidOption } from '../system/failures.js';
import type { ImageSource } from './inference.js';

/**
 * An image: a path, the bytes of an image file (PNG, JPEG, WebP, GIF, AVIF), or raw pixels, uint8, height × width × 3, RGB.
 * Bytes and pixels are copied when their batch is read: do not change them before that.
 */
export type ImageInput = string | Uint8Array | DecodedImage;

/** The limit of an encoded image's pixels. */
export const aPixelLimit: Control<number> = {
  allowed: `a whole number from 1 to ${maxPixels}`,
  is: (value): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxPixels,
};

/**
 * Reads the list and its objects once, so that a getter cannot answer twice, and makes paths absolute. Messages name an
 * image by its path, or by its position, from 0. Encoded images of more than `limit` pixels are refused.
 * @throws L2TError INVALID_OPTION if an element is not an ImageInput; the content is checked when the image is read.
 */
export function imageSource(images: readonly ImageInput[], limit?: number): ImageSource {
  const kinds = 'paths, Buffers of encoded images, or {pixels: Uint8Array (height × width × 3), height, width}';
  const inputs = guarded('The list of images', () => {
    if (!Array.isArray(images)) throw invalidOption(`Images are given as a list of ${kinds}.`);
    return Array.from({ length: images.length }, (_, index) => {
      const input = taken(images[index]);
      if (input === undefined) throw invalidOption(`Image ${index} is not one of ${kinds}.`);
      return input;
    });
  });
  const name = (index: number) => {
    const input = inputs[index] as ImageInput;
    return typeof input === 'string' ? input : `Image ${index}`;
  };
  return { count: inputs.length, name, read: (index) => read(inputs[index] as ImageInput, name(index), limit) };
}

/** The input, with an object's properties read once; undefined if it is not an ImageInput. */
function taken(image: unknown): ImageInput | undefined {
  if (typeof image === 'string') return isPath(image) ? absolutePath(image) : image;
  if (types.isUint8Array(image)) return image;
  if (typeof image !== 'object' || image === null) return undefined;
  const { pixels, height, width } = image as DecodedImage;
  const input = { pixels, height, width };
  return [height, width].every((side) => Number.isSafeInteger(side) && side >= 1) && isWhole(input) ? input : undefined;
}

const isWhole = ({ pixels, height, width }: DecodedImage): boolean =>
  types.isUint8Array(pixels) && pixels.length === height * width * 3;

/**
 * Copies what is in memory, because native code reads it on another thread: the process would end if the caller
 * transferred the buffer meanwhile.
 */
async function read(image: ImageInput, name: string, limit: number | undefined): Promise<DecodedImage> {
  if (typeof image === 'string') {
    return decodeImage(image, undefined, limit).catch(async (error: unknown) => {
      throw (await wrongPath(image)) ?? error;
    });
  }
  if (types.isUint8Array(image)) return decodeBytes(copyOf(image, name), name, undefined, limit);
  const copy = { ...image, pixels: copyOf(image.pixels, name) };
  if (isWhole(copy)) return copy;
  throw invalidOption(`${name} has changed since it was given: its pixels are not height × width × 3.`);
}

/** A buffer that was transferred has length 0, and copying it would throw. */
const copyOf = (bytes: Uint8Array, name: string): Uint8Array =>
  guarded(name, () => (bytes.length > 0 ? new Uint8Array(bytes) : new Uint8Array()));

/** An error that says what to give instead of a folder, or of a pattern; else undefined. */
async function wrongPath(path: string): Promise<L2TError | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory()) return fileAccess(`${path} is a folder: give its images, which listImages finds.`);
  if (status !== undefined || !/[*?[]/.test(path)) return undefined;
  return fileAccess(`There is no file ${path}: for a pattern, give the images that listImages finds.`);
}
