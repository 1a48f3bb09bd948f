import type { DecodeEvent } from '../native/contract.js';
import type { SetName } from '../options/datasets.js';
import { firstDamaged, isDamage } from './damaged.js';
import type { ImageList } from './dataset.js';
import { type Box, crop, drawsPerCrop, fitImage, randomResizedCrop, reductionFor } from './fit.js';
import { forEachParallel, type Resize } from './reading.js';

/** Images that are decoded when they are needed, and their side in pixels. */
export interface StreamedImages {
  readonly list: ImageList;
  readonly size: number;
  /** Whole images are squashed to a square, for networks for small images; else they keep their proportions. */
  readonly squash: boolean;
}

/** Decodes the batches that a run requests, one after another, each on the threads of libuv's pool. */
export class BatchDecoder {
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(
    private readonly sets: Partial<Record<SetName, StreamedImages>>,
    private readonly resize: Resize,
  ) {}

  /** Call it when the run needs no more images: batches requested ahead are then not decoded. */
  end(): void {
    this.#ended = true;
  }

  /**
   * The batch for the addon: uint8, B × size × size × 3; undefined after `end`.
   *
   * Rejects with the errors of `ImageList.read`, which name the image.
   */
  decode(event: DecodeEvent): Promise<Uint8Array | undefined> {
    const batch = this.#last
      .then(() => this.#decode(event))
      .catch((error: unknown) => {
        throw isDamage(error) ? firstDamaged(error) : error;
      });
    this.#last = batch.catch(() => {});
    return batch;
  }

  async #decode({ set, images, draws }: DecodeEvent): Promise<Uint8Array | undefined> {
    const streamed = this.sets[set] as StreamedImages;
    const stride = streamed.size * streamed.size * 3;
    const pixels = new Uint8Array(images.length * stride);
    await forEachParallel(images.length, async (k) => {
      if (this.#ended) return;
      const index = images[k] as number;
      const crop = draws?.subarray(k * drawsPerCrop, (k + 1) * drawsPerCrop);
      const image = crop ? await this.#cropped(streamed, index, crop) : await fitWhole(streamed, index, this.resize);
      pixels.set(image, k * stride);
    });
    return this.#ended ? undefined : pixels;
  }

  /** The crop box is chosen at the size of the upright image in its file, so it does not depend on a reduction. */
  async #cropped({ list, size }: StreamedImages, index: number, draws: Float64Array): Promise<Uint8Array> {
    let box: Box = { top: 0, left: 0, height: 0, width: 0 };
    let whole = { height: 0, width: 0 };
    const image = await list.read(index, (height, width) => {
      whole = { height, width };
      box = randomResizedCrop(height, width, draws);
      return reductionFor(box, size);
    });
    const { top, height } = scaled(box.top, box.height, whole.height, image.height);
    const { top: left, height: width } = scaled(box.left, box.width, whole.width, image.width);
    const pixels = crop(image.pixels, image.width, { top, left, height, width });
    return this.resize(pixels, height, width, size, size);
  }
}

/** The whole image, resized to the set's size. */
export async function fitWhole(
  { list, size, squash }: StreamedImages,
  index: number,
  resize: Resize,
): Promise<Uint8Array> {
  const image = await list.read(index);
  if (!squash) return fitImage(image, size, resize, list.name(index));
  const { pixels, height, width } = image;
  return height === size && width === size ? pixels : resize(pixels, height, width, size, size);
}

/** Scales an interval of an axis from `whole` to `reduced` pixels; the result is at least one pixel long. */
function scaled(start: number, length: number, whole: number, reduced: number): { top: number; height: number } {
  const top = Math.floor((start * reduced) / whole);
  const end = Math.min(reduced, Math.max(top + 1, Math.round(((start + length) * reduced) / whole)));
  return { top, height: end - top };
}
