import { L2TError } from '../errors.js';
import { type DecodedImage, maxPixels } from './decode.js';
import type { Resize } from './reading.js';

/** The side, in pixels, from which images are large: decoded when they are needed, and seen in their proportions. */
export const largeSize = 64;

/** Images that are evaluated together. 32 of 224×224 make a ResNet's first map, 64 channels at 112×112, of 103 MB. */
export const evaluationBatch = (size: number): number => (size < largeSize ? 256 : 32);

/**
 * An image as size × size × 3, uint8.
 *
 * - Already size × size: as it is.
 * - size < 64 (the networks for 32×32 images): squashed.
 * - size ≥ 64 (the networks for 224×224): the short side becomes size · 256/224, rounded, the long side in
 *   proportion, rounded down; then the centre is cut out. At 224 this is the usual "resize to 256, crop the centre".
 */
export async function fitImage(image: DecodedImage, size: number, resize: Resize, file: string): Promise<Uint8Array> {
  const { pixels, height, width } = image;
  if (height === size && width === size) return pixels;
  if (size < largeSize) return resize(pixels, height, width, size, size);
  const short = shortSide(size);
  const long = Math.floor((short * Math.max(height, width)) / Math.min(height, width));
  if (short * long > maxPixels) {
    throw new L2TError(
      'INVALID_DATA',
      `${file}: an image of ${width}×${height} is too narrow to be cut to ${size}×${size}. Crop it.`,
    );
  }
  const [newHeight, newWidth] = height < width ? [short, long] : [long, short];
  return cropCentre(await resize(pixels, height, width, newHeight, newWidth), newHeight, newWidth, size);
}

/** The short side that an image has before its centre is cut out: 256 for 224. */
export const shortSide = (size: number): number => Math.round((size * 256) / 224);

function cropCentre(pixels: Uint8Array, height: number, width: number, size: number): Uint8Array {
  const top = halfToEven(height - size);
  const left = halfToEven(width - size);
  const cropped = new Uint8Array(size * size * 3);
  for (let row = 0; row < size; row++) {
    const start = ((top + row) * width + left) * 3;
    cropped.set(pixels.subarray(start, start + size * 3), row * size * 3);
  }
  return cropped;
}

/** n/2, a half going to the even neighbour: where torchvision's centre crop begins. */
function halfToEven(n: number): number {
  return n % 2 === 0 ? n / 2 : 2 * Math.round(n / 4);
}
