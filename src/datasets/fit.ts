import { L2TError } from '../errors.js';
import { type DecodedImage, maxPixels } from './decode.js';
import { forEachParallel, type Reading, type Resize } from './reading.js';

/** From this size on, images keep their proportions. */
const smallestCropped = 64;

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
  if (size < smallestCropped) return resize(pixels, height, width, size, size);
  const short = Math.round((size * 256) / 224);
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

/** Images between two looks at the signal and turns of the event loop, where nothing else is awaited. */
const block = 1000;

/**
 * Writes images first … first + count − 1 of `pixels`, each fitted to `size`. `imageAt(k)` gives image first + k as
 * height × width × 3 and may throw.
 */
export async function fitAll(
  pixels: Uint8Array,
  first: number,
  count: number,
  shape: { readonly height: number; readonly width: number },
  imageAt: (index: number) => Uint8Array,
  reading: Reading,
): Promise<void> {
  const { size, resize } = reading.options;
  const stride = size * size * 3;
  const store = (index: number, image: Uint8Array) => pixels.set(image, (first + index) * stride);
  if (shape.height === size && shape.width === size) {
    for (let start = 0; start < count; start += block) {
      reading.check();
      const end = Math.min(start + block, count);
      for (let index = start; index < end; index++) store(index, imageAt(index));
      reading.advance(end - start);
      await new Promise(setImmediate);
    }
    return;
  }
  await forEachParallel(count, async (index) => {
    reading.check();
    store(index, await fitImage({ pixels: imageAt(index), ...shape }, size, resize, reading.folder));
    reading.advance(1);
  });
}
