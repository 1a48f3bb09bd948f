import { stat } from 'node:fs/promises';
import { types } from 'node:util';
import { type DecodedImage, decodeBytes, decodeImage, maxPixels } from '../data/decode.js';
import { L2TError } from '../errors.js';
import type { Control } from '../options/arguments.js';
import { guarded } from '../options/guarded.js';
import type { ImageSource } from './inference.js';

/**
 * An image: a path, the bytes of an image file (PNG, JPEG, WebP, GIF), or raw pixels, uint8, height × width × 3, RGB.
 * Bytes and pixels are copied when their batch is read: do not change them before that.
 */
export type ImageInput = string | Uint8Array | DecodedImage;

/** The limit of an encoded image's pixels. */
export const aPixelLimit: Control<number> = {
  allowed: `a whole number from 1 to ${maxPixels}`,
  is: (value): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= maxPixels,
};

/**
 * Messages name an image by its path, or by its position, from 0. Encoded images of more than `limit` pixels are refused.
 * @throws L2TError INVALID_OPTION if an element is not an ImageInput; the content is checked when the image is read.
 */
export function imageSource(images: readonly ImageInput[], limit?: number): ImageSource {
  const kinds = 'paths, Buffers of encoded images, or {pixels: Uint8Array (height × width × 3), height, width}';
  const wrong = guarded('The list of images', () => {
    if (!Array.isArray(images)) throw new L2TError('INVALID_OPTION', `Images are given as a list of ${kinds}.`);
    return images.findIndex((image) => !isInput(image));
  });
  if (wrong !== -1) throw new L2TError('INVALID_OPTION', `Image ${wrong} is not one of ${kinds}.`);
  const name = (index: number) => {
    const image = images[index] as ImageInput;
    return typeof image === 'string' ? image : `Image ${index}`;
  };
  return { count: images.length, name, read: (index) => read(images[index] as ImageInput, name(index), limit) };
}

function isInput(image: unknown): image is ImageInput {
  if (typeof image === 'string' || types.isUint8Array(image)) return true;
  if (typeof image !== 'object' || image === null) return false;
  const { pixels, height, width } = image as Partial<DecodedImage>;
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) >= 1;
  if (!types.isUint8Array(pixels) || !isSide(height) || !isSide(width)) return false;
  return pixels.length === (height as number) * (width as number) * 3;
}

async function read(image: ImageInput, name: string, limit: number | undefined): Promise<DecodedImage> {
  if (typeof image !== 'string') return readBytes(image, name, limit);
  return decodeImage(image, undefined, limit).catch(async (error: unknown) => {
    throw (await wrongPath(image)) ?? error;
  });
}

async function readBytes(
  image: Uint8Array | DecodedImage,
  name: string,
  limit: number | undefined,
): Promise<DecodedImage> {
  const own = guarded(name, () => copyOf(image, name));
  return types.isUint8Array(own) ? decodeBytes(own, name, undefined, limit) : own;
}

/**
 * Copies the image, because native code reads it on another thread: the process would end if the caller transferred the
 * buffer meanwhile.
 */
function copyOf(image: Uint8Array | DecodedImage, name: string): Uint8Array | DecodedImage {
  // A buffer that was transferred before this has length 0, and copying it would throw.
  if (types.isUint8Array(image)) return image.length > 0 ? new Uint8Array(image) : new Uint8Array();
  if (!isInput(image)) {
    const problem = `${name} has changed since it was given: its pixels are not height × width × 3.`;
    throw new L2TError('INVALID_OPTION', problem);
  }
  const { pixels, height, width } = image;
  return { pixels: new Uint8Array(pixels), height, width };
}

/** An error that says what to give instead of a folder, or of a pattern; else undefined. */
async function wrongPath(path: string): Promise<L2TError | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory()) {
    return new L2TError('FILE_ACCESS', `${path} is a folder: give its images, which listImages finds.`);
  }
  if (status !== undefined || !/[*?[]/.test(path)) return undefined;
  return new L2TError('FILE_ACCESS', `There is no file ${path}: for a pattern, give the images that listImages finds.`);
}
