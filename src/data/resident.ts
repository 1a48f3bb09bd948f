import { constants } from 'node:buffer';
import { fitImage } from './fit.js';
import type { ImageList } from './image-list.js';
import { invalidData } from './invalid-data.js';
import { type DecodeOptions, forEachImage } from './reading.js';

/** Images to decode, and their side in pixels. */
export interface Wanted {
  readonly list: ImageList;
  readonly size: number;
}

/**
 * Decodes small images, which are kept in memory: for each list, all its images in order, as size × size × 3
 * (fitImage). `onProgress` counts the images of all lists.
 *
 * Throws the errors of `ImageList.read`; INVALID_DATA if the images do not fit in memory or in one array; ABORTED.
 */
export async function decodeAll(
  wanted: readonly Wanted[],
  folder: string,
  { resize, ...options }: DecodeOptions,
): Promise<Uint8Array[]> {
  const sets = wanted.map((each) => ({ ...each, pixels: allocatePixels(each.list.count, each.size, folder) }));
  await forEachImage(sets, folder, options, async ({ list, size, pixels }, index) => {
    const image = await list.read(index);
    pixels.set(await fitImage(image, size, resize, list.name(index)), index * size * size * 3);
  });
  return sets.map(({ pixels }) => pixels);
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
