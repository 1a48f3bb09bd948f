import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { types } from 'node:util';
import { type DecodedImage, decodeBytes, decodeImage, isImageExtension } from './datasets/decode.js';
import { L2TError } from './errors.js';
import { guarded } from './guarded.js';
import type { ImageSource } from './inference.js';

/**
 * An image: a path, the bytes of an encoded one (PNG, JPEG, WebP, GIF), or raw pixels, uint8, height × width × 3, RGB.
 * Bytes are not copied: they must not change until what they were given to is done.
 */
export type ImageInput = string | Uint8Array | DecodedImage;

/**
 * Messages call an image by its path, or by its position, from 0.
 * @throws L2TError INVALID_OPTION where one is none of these; what they hold is looked at when they are read.
 */
export function imageSource(images: readonly ImageInput[]): ImageSource {
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
  return { count: images.length, name, read: (index) => read(images[index] as ImageInput, name(index)) };
}

function isInput(image: unknown): image is ImageInput {
  if (typeof image === 'string' || types.isUint8Array(image)) return true;
  if (typeof image !== 'object' || image === null) return false;
  const { pixels, height, width } = image as Partial<DecodedImage>;
  const isSide = (side: unknown) => Number.isSafeInteger(side) && (side as number) >= 1;
  if (!types.isUint8Array(pixels) || !isSide(height) || !isSide(width)) return false;
  return pixels.length === (height as number) * (width as number) * 3;
}

async function read(image: ImageInput, name: string): Promise<DecodedImage> {
  if (typeof image !== 'string') return types.isUint8Array(image) ? decodeBytes(image, name) : image;
  return decodeImage(image).catch(async (error: unknown) => {
    throw (await wrongPath(image)) ?? error;
  });
}

/** What to type instead of a folder, or of a pattern that the shell has left as it was. */
async function wrongPath(path: string): Promise<L2TError | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory()) {
    const extension = (await readdir(path).catch(() => [])).map((name) => extname(name)).find(isImageExtension);
    const found = extension === undefined ? 'a folder without images: name image files' : 'a folder: name its images';
    const example = join(path, `*${extension ?? '.jpg'}`);
    return new L2TError('FILE_ACCESS', `${path} is ${found}, such as ${example}.`);
  }
  if (status !== undefined || !/[*?[]/.test(path)) return undefined;
  const advice = 'check the folder and the file extension, and leave the pattern without quotes';
  return new L2TError('FILE_ACCESS', `No file matches ${path}: ${advice}.`);
}
