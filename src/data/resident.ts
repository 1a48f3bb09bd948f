import { constants } from 'node:buffer';
import { L2TError } from '../errors.js';
import { throwIfAborted } from '../system/abort.js';
import { fitImage } from './fit.js';
import type { ImageList } from './image-list.js';
import { type DecodeOptions, forEachParallel } from './reading.js';

/** Images between two turns of the event loop, where nothing is awaited but promises that are kept already. */
const block = 256;

/** Images to decode, and to what side. */
export interface Wanted {
  readonly list: ImageList;
  readonly size: number;
}

/**
 * Every image of each list, in its order, as size × size × 3 (fitImage): small images, which are kept in memory. One progress
 * counts them all.
 *
 * Throws as `ImageList.read`; INVALID_DATA where they are more than memory or one array holds; ABORTED.
 */
export async function decodeAll(
  wanted: readonly Wanted[],
  folder: string,
  { resize, onProgress, signal }: DecodeOptions,
): Promise<Uint8Array[]> {
  const total = wanted.reduce((sum, { list }) => sum + list.count, 0);
  let done = 0;
  const decoded: Uint8Array[] = [];
  for (const { list, size } of wanted) {
    const pixels = allocatePixels(list.count, size, folder);
    await forEachParallel(list.count, async (index) => {
      throwIfAborted(`Loading ${folder}`, signal);
      const image = await list.read(index);
      pixels.set(await fitImage(image, size, resize, list.name(index)), index * size * size * 3);
      onProgress?.(++done, total);
      if (done % block === 0) await new Promise(setImmediate);
    });
    decoded.push(pixels);
  }
  return decoded;
}

function allocatePixels(count: number, size: number, folder: string): Uint8Array {
  const bytes = count * size * size * 3;
  try {
    // The addon takes one array; V8 caps its length well before the address space does.
    if (bytes <= constants.MAX_LENGTH) return new Uint8Array(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  throw new L2TError(
    'INVALID_DATA',
    `${folder}: ${count} images of ${size}×${size} take ${gigabytes} GiB, more than can be held at once. Use fewer images or a smaller --size.`,
  );
}
