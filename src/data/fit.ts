import { largeSize, shortSide } from '../options/networks.js';
import { invalidData } from '../system/failures.js';
import { type DecodedImage, maxPixels } from './decode.js';
import type { Resize } from './reading.js';

/** Batch size of evaluation. With 32 images of 224×224, a ResNet's first map (64 channels at 112×112) takes 103 MB. */
export const evaluationBatch = (size: number): number => (size < largeSize ? 256 : 32);

/**
 * Resizes an image to size × size × 3, uint8.
 *
 * - An image that is size × size already stays as it is.
 * - size < 64 (networks for 32×32 images): it is squashed to a square.
 * - size ≥ 64 (networks for 224×224): the short side becomes size · 256/224, rounded, the long side in proportion,
 *   rounded down; then the centre is cropped. At 224 this is the usual "resize to 256, crop the centre".
 *
 * Throws INVALID_DATA if the image would be resized to more than `limit` pixels.
 */
export async function fitImage(
  image: DecodedImage,
  size: number,
  resize: Resize,
  file: string,
  limit = maxPixels,
): Promise<Uint8Array> {
  const { pixels, height, width } = image;
  if (height === size && width === size) return pixels;
  if (size < largeSize) return resize(pixels, height, width, size, size);
  const short = shortSide(size);
  const long = Math.floor((short * Math.max(height, width)) / Math.min(height, width));
  if (short * long > limit) {
    throw invalidData(`${file}: an image of ${width}×${height} is too narrow to be cut to ${size}×${size}. Crop it.`);
  }
  const [newHeight, newWidth] = height < width ? [short, long] : [long, short];
  const resized = await resize(pixels, height, width, newHeight, newWidth);
  const [top, left] = [halfToEven(newHeight - size), halfToEven(newWidth - size)];
  return crop(resized, newWidth, { top, left, height: size, width: size });
}

/** The part `box` of an image of this width: box height × box width × 3. */
export function crop(pixels: Uint8Array, wholeWidth: number, { top, left, height, width }: Box): Uint8Array {
  const cropped = new Uint8Array(height * width * 3);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * wholeWidth + left) * 3;
    cropped.set(pixels.subarray(start, start + width * 3), row * width * 3);
  }
  return cropped;
}

/** n/2, with halves rounded to the even neighbour, as for the offset of torchvision's centre crop. */
const halfToEven = (n: number): number => (n % 2 === 0 ? n / 2 : 2 * Math.round(n / 4));

/** A box in an image, in pixels. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Number of tries. Each takes four uniform numbers: for area, proportions, top and left. */
const tries = 10;

/** Number of uniform numbers in [0, 1) that one crop takes. */
export const drawsPerCrop = 4 * tries;

const area = { least: 0.08, most: 1 };
/** Width to height. */
const proportions = { least: 3 / 4, most: 4 / 3 };

/**
 * The usual random resized crop for 224×224: the share of the image's area is uniform in [0.08, 1], the proportions are
 * log-uniform in [3/4, 4/3], and the position is uniform. After ten boxes that do not fit, it is the largest central
 * box of allowed proportions. Deterministic for given `draws`.
 */
export function randomResizedCrop(height: number, width: number, draws: Float64Array): Box {
  for (let k = 0; k < tries; k++) {
    const [forArea = 0, forRatio = 0, forTop = 0, forLeft = 0] = draws.subarray(4 * k, 4 * k + 4);
    const share = area.least + (area.most - area.least) * forArea;
    const [low, high] = [Math.log(proportions.least), Math.log(proportions.most)];
    const ratio = Math.exp(low + (high - low) * forRatio);
    const crop = {
      width: Math.round(Math.sqrt(height * width * share * ratio)),
      height: Math.round(Math.sqrt((height * width * share) / ratio)),
    };
    if (crop.width < 1 || crop.height < 1 || crop.width > width || crop.height > height) continue;
    const top = Math.floor(forTop * (height - crop.height + 1));
    const left = Math.floor(forLeft * (width - crop.width + 1));
    return { top, left, ...crop };
  }
  const ratio = width / height;
  const box = {
    height: ratio < proportions.least ? Math.min(height, Math.round(width / proportions.least)) : height,
    width: ratio > proportions.most ? Math.min(width, Math.round(height * proportions.most)) : width,
  };
  return { top: Math.floor((height - box.height) / 2), left: Math.floor((width - box.width) / 2), ...box };
}

/** The largest factor by which an image may be reduced so that `box` still has at least `size` pixels a side. */
export function reductionFor({ height, width }: Box, size: number): 1 | 3 | 5 {
  const factors = [5, 3] as const;
  return factors.find((factor) => Math.min(height, width) >= factor * size) ?? 1;
}
