import { randomBytes } from 'node:crypto';
import type { ImageList } from '../data/dataset.js';
import { evaluationBatch, fitImage } from '../data/fit.js';
import { forEachParallel } from '../data/reading.js';
import { L2TError } from '../errors.js';
import {
  addon,
  type ImportanceJob,
  type NamedTensor,
  type NativeNetwork,
  type Normalisation,
} from '../native/addon.js';
import type { OnnxSession } from '../networks/onnx/session.js';
import { openOnnx, type Source, valuesOf } from '../networks/sources.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidWeights } from '../system/failures.js';
import { isLimitError } from '../system/limits.js';
import { median } from '../system/statistics.js';
import { defaultThreads } from '../system/threads.js';

/** Images by position: a split of a data set, or a caller's list. */
export type ImageSource = Pick<ImageList, 'count' | 'name' | 'read'>;

/** The results for images `first`, `first` + 1, … */
export interface InferredBatch {
  readonly first: number;
  /** An image's logits, or why it could not be read. */
  readonly outcomes: readonly (Float32Array | L2TError)[];
  /** Feature map n of the images that could be read, B × C × H × W; empty if features were not requested. */
  readonly features: readonly Float32Array[];
  /**
   * By pair of the `importance` that the network was made with, for the images that could be read: w (B × C) and λ (B);
   * empty where they are not learned.
   */
  readonly w: readonly Float32Array[];
  readonly lambda: readonly Float32Array[];
}

interface InferenceSettings {
  readonly size?: number | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** Meta-networks to apply to the network's features. */
  readonly importance?: ImportanceJob | undefined;
}

/** Milliseconds of a measurement, and its warm-up batches, none of which begins after a quarter of that time. */
const [measured, warmUps] = [500, 3];

/** A network on a device that infers images in batches. */
export class Inference {
  readonly size: number;
  readonly device: string;
  readonly #network: NativeNetwork;
  readonly #source: Source;
  readonly #threads: number;
  #session: Promise<OnnxSession> | undefined;

  /** An ONNX file runs on the CPU. */
  constructor(source: Source, options: InferenceSettings) {
    const { network, weights, normalisation, size: ownSize, onnx } = source;
    const { size = ownSize, device = 'auto', threads = defaultThreads(), importance } = options;
    const native = addon();
    this.size = size;
    this.#source = source;
    this.#threads = threads;
    this.device = native.device(onnx ? 'cpu' : device).device;
    const job = { network, weights, normalisation, size, device: this.device, threads };
    this.#network = new native.Network({ ...job, ...(importance && { importance }) });
  }

  /**
   * While a batch is inferred, the next one is decoded.
   * @throws L2TError ABORTED at the next batch once the signal has fired; INVALID_WEIGHTS where an output is NaN or
   * infinite.
   */
  async *batches(
    source: ImageSource,
    options: { batch?: number | undefined; signal?: AbortSignal | undefined; maxPixels?: number; features?: boolean },
  ): AsyncGenerator<InferredBatch, void> {
    const { batch = evaluationBatch(this.size), signal, maxPixels, features = false } = options;
    // The images from `first` on, fitted to the network's size. An image that cannot be read gives its error.
    const read = async (first: number) => {
      const images: (Uint8Array | L2TError)[] = [];
      await forEachParallel(Math.min(batch, source.count - first), async (k) => {
        throwIfAborted('The inference', signal);
        try {
          images[k] = await this.fit(source, first + k, maxPixels);
        } catch (error) {
          if (!(error instanceof L2TError) || isLimitError(error)) throw error;
          images[k] = error;
        }
      });
      return images;
    };
    let images = await read(0);
    for (let first = 0; first < source.count; first += batch) {
      throwIfAborted('The inference', signal);
      const [{ logits, ...others }, next] = await Promise.all([this.#infer(images, features), read(first + batch)]);
      throwIfAborted('The inference', signal);
      const { classes } = this.#source.network;
      let at = 0;
      const outcomes = images.map((image) => {
        if (!isReadable(image)) return image;
        at += classes;
        return (logits as Float32Array).subarray(at - classes, at);
      });
      yield { first, outcomes, ...others };
      images = next;
    }
  }

  /**
   * Image `index`, fitted to the network's size.
   * @throws L2TError as `source.read`; INVALID_DATA if it is too narrow.
   */
  async fit(source: ImageSource, index: number, maxPixels?: number): Promise<Uint8Array> {
    return fitImage(await source.read(index), this.size, addon().resize, source.name(index), maxPixels);
  }

  /**
   * Milliseconds per image in batches of `batch` random images, without decoding: the median over the batches of half a
   * second (at least one), after a few warm-up batches.
   * @throws L2TError ABORTED at the next batch once the signal has fired.
   */
  async msPerImage(batch: number, signal?: AbortSignal): Promise<number> {
    const pixels = randomBytes(batch * this.size ** 2 * 3);
    const begin = performance.now();
    const times: number[] = [];
    for (let warm = 0; performance.now() - begin < measured || times.length === 0; warm++) {
      throwIfAborted('The inference', signal);
      const before = performance.now();
      await this.#run(pixels, false);
      if (warm >= warmUps || before - begin > measured / 4) times.push((performance.now() - before) / batch);
    }
    return median(times);
  }

  async #run(pixels: Uint8Array, features: boolean): Promise<NamedTensor[]> {
    const { onnx, normalisation } = this.#source;
    if (onnx === undefined) return this.#network.infer(pixels, features);
    this.#session ??= openOnnx(onnx, this.#threads);
    const session = await this.#session;
    const batch = pixels.length / (this.size ** 2 * 3);
    const result = await session.run(normalised(pixels, normalisation, this.size), batch);
    return this.#network.infer(valuesOf(result), features);
  }

  /** The outputs for the images that could be read; empty if none could. */
  async #infer(images: readonly (Uint8Array | L2TError)[], features: boolean) {
    const readable = images.filter(isReadable);
    const tensors = readable.length === 0 ? [] : await this.#run(Buffer.concat(readable), features);
    const named = (start: string) => tensors.filter(({ name }) => name.startsWith(start)).map(toFloats);
    const [logits] = named('logits');
    const { classes } = this.#source.network;
    const rows = classes === 0 ? readable.length : (logits?.length ?? 0) / classes;
    if (rows !== readable.length) {
      throw new L2TError('INTERNAL', `The network gave ${rows} rows of outputs for ${readable.length} images.`);
    }
    if (logits === undefined || logits.every(Number.isFinite)) {
      return { logits, features: named('feature/'), w: named('w/'), lambda: named('lambda/') };
    }
    throw invalidWeights(
      "The network's outputs are NaN or infinite: its weights are damaged, or diverged in training. Use others.",
    );
  }
}

const isReadable = (image: Uint8Array | L2TError): image is Uint8Array => !(image instanceof L2TError);

/** uint8, B × S × S × 3 → float32, B × 3 × S × S. */
function normalised(pixels: Uint8Array, { mean, std }: Normalisation, side: number): Float32Array {
  const area = side ** 2;
  return Float32Array.from(pixels, (_, i) => {
    const [channel, place, image] = [Math.floor(i / area) % 3, i % area, Math.floor(i / area / 3)];
    return (
      ((pixels[(image * area + place) * 3 + channel] as number) / 255 - (mean[channel] as number)) /
      (std[channel] as number)
    );
  });
}

/** The buffer of an empty tensor is detached. */
const toFloats = ({ data }: NamedTensor): Float32Array =>
  data.length === 0 ? new Float32Array() : new Float32Array(data.buffer, data.byteOffset, data.length / 4);
