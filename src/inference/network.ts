import type { DecodedImage } from '../data/decode.js';
import { L2TError } from '../errors.js';
import type { NetworkSpec, Normalisation } from '../native/addon.js';
import { elementCount } from '../native/tensor.js';
import { type Checkpoint, loadCheckpoint, requireCheckpoint } from '../networks/checkpoint.js';
import { withClassNames } from '../networks/class-names.js';
import { describeNetwork } from '../networks/describe.js';
import { requireLastLayer } from '../networks/weights/match.js';
import { aMessageListener, aSignal, attempted, takeOptions } from '../options/arguments.js';
import type { Written } from '../options/check.js';
import { threadsWarning } from '../options/cost.js';
import type { OwnHelp } from '../options/option-help.js';
import { networkSchema, predictSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
import { aPixelLimit, type ImageInput, imageSource } from './image-input.js';
import { type ImageSource, Inference } from './inference.js';
import { logSoftmax, ranked } from './logits.js';

const placementSchema = networkSchema.pick({ size: true, device: true, threads: true });
const inferenceSchema = predictSchema.pick({ batch: true });
const inferenceControls = { signal: aSignal, maxPixels: aPixelLimit };
const decodingSchema = predictSchema.pick({});
const rankingSchema = predictSchema.pick({ batch: true, top: true });

/** Side of the images in pixels (default: the checkpoint's); the device; the number of CPU threads. */
export type PlacementOptions = Written<typeof placementSchema, never, OwnHelp['network']>;

/** Options of `Network.load`: `network`, `width`, `size`, `strict`, `device` and `threads` of docs/options.md. */
export type NetworkOptions = Written<typeof networkSchema, never, OwnHelp['network']> & {
  /** Called with a message for each problem that does not stop the loading. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with a message if the file does not name its network, and its tensors show it. */
  readonly onNote?: ((message: string) => void) | undefined;
};

/** How an image is decoded. */
export interface DecodingOptions {
  /** Refuses encoded images of more pixels, and those too narrow to be fitted within as many. Default, and most: 2²⁶. */
  readonly maxPixels?: number | undefined;
}

/** `batch`, images at a time, and what only the API has. */
export type InferenceOptions = Written<typeof inferenceSchema, never, OwnHelp['predict']> &
  DecodingOptions & {
    /** Ends the call with L2TError ABORTED, at the next batch. */
    readonly signal?: AbortSignal | undefined;
  };

/** `top`, the number of labels an image, from 1 (default 5), and those of every inference. */
export type PredictOptions = InferenceOptions & Written<typeof rankingSchema, never, OwnHelp['predict']>;

/** A class and how likely it is. */
export interface RankedLabel {
  /** The class's name, or its index where the checkpoint has no names. */
  readonly label: string;
  /** The class's index, from 0. */
  readonly index: number;
  /** In [0, 1]; the probabilities of all classes sum to 1. */
  readonly probability: number;
}

/** The most likely class. */
export interface Prediction extends RankedLabel {
  /** The `top` most likely classes (default 5), in order; the first is the prediction itself. */
  readonly best: readonly RankedLabel[];
}

/** Feature map `index` of all images: `values` is row-major. */
export interface FeatureMap {
  /** Its place among the network's feature maps, from 0 (`describeNetwork`). */
  readonly index: number;
  /** Its four sides. */
  readonly shape: readonly [images: number, channels: number, height: number, width: number];
  /** images · channels · height · width numbers. */
  readonly values: Float32Array;
}

/**
 * A trained network for inference: float32, in evaluation mode, on a thread of its own. Images of any size are fitted
 * as `evaluate` fits them. Concurrent calls are allowed; they share the weights.
 */
export class Network {
  /** The network's name, number of classes and width. */
  readonly spec: NetworkSpec;
  /** By class index. */
  readonly classNames: readonly string[];
  /** Side of its input images, pixels. */
  readonly size: number;
  /** How pixels are normalised before the network reads them. */
  readonly normalisation: Normalisation;
  /** The device that computes: cpu, cuda:0, … */
  readonly device: string;
  readonly #inference: Inference;

  private constructor(given: Checkpoint, options: PlacementOptions) {
    const checkpoint = requireCheckpoint(given);
    const { network, classNames, normalisation } = checkpoint;
    this.#inference = new Inference(checkpoint, options);
    this.spec = network;
    this.classNames = Array.from({ length: network.classes }, (_, k) => classNames?.[k] ?? String(k));
    this.size = this.#inference.size;
    this.normalisation = normalisation;
    this.device = this.#inference.device;
  }

  /**
   * Loads a checkpoint: safetensors, .pth, or a run's folder.
   * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS, DEVICE_UNAVAILABLE; INVALID_OPTION, also if
   * neither the checkpoint nor `network` says which network it holds.
   */
  static async load(path: string, given: NetworkOptions = {}): Promise<Network> {
    const { options, control } = takeOptions(networkSchema, given, {
      onWarning: aMessageListener,
      onNote: aMessageListener,
    });
    const { device, threads, ...said } = options;
    const checkpoint = await withClassNames(await loadCheckpoint(path, { ...said, ...control }));
    const network = new Network(checkpoint, { device, threads });
    for (const message of threadsWarning(threads, network.device)) control.onWarning?.(message);
    return network;
  }

  /**
   * Takes a checkpoint in memory, such as a run's result.
   * @throws L2TError WEIGHTS_MISMATCH, DEVICE_UNAVAILABLE, INVALID_OPTION.
   */
  static from(checkpoint: Checkpoint, given: PlacementOptions = {}): Network {
    return new Network(checkpoint, takeOptions(placementSchema, given, {}).options);
  }

  /**
   * Decodes an image and fits it to the network's size, which is what the other calls do first. They take the result in
   * the image's place, and answer the same.
   * @throws L2TError INVALID_DATA or FILE_ACCESS if it cannot be read; INVALID_OPTION for an input that is not an image.
   */
  async decode(image: ImageInput, given: DecodingOptions = {}): Promise<DecodedImage> {
    const { maxPixels } = takeOptions(decodingSchema, given, { maxPixels: aPixelLimit }).control;
    const pixels = await this.#inference.fit(imageSource([image], maxPixels), 0, maxPixels);
    return { pixels, height: this.size, width: this.size };
  }

  /**
   * Classifies each image.
   * @throws L2TError INVALID_DATA or FILE_ACCESS, naming the first image that cannot be read; INVALID_OPTION for an
   * input that is not an image; INVALID_WEIGHTS if the network gives NaN or infinity; ABORTED.
   */
  async predict(images: readonly ImageInput[], options: PredictOptions = {}): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    for await (const outcome of this.predictEach(images, options)) predictions.push(orThrow(outcome));
    return predictions;
  }

  /**
   * Like `predict`, but yields each image's result as soon as its batch is done. An image that cannot be read does not
   * end the iteration: its result is the error.
   */
  predictEach(images: readonly ImageInput[], given: PredictOptions = {}): AsyncGenerator<Prediction | L2TError, void> {
    // Taken now, and not when the iteration begins.
    return this.#predictEach(
      attempted(() => {
        requireLastLayer(this.spec);
        const taken = takeOptions(rankingSchema, given, inferenceControls);
        return { ...taken, source: imageSource(images, taken.control.maxPixels) };
      }),
    );
  }

  async *#predictEach(
    taken: () => { options: PredictOptions; control: InferenceOptions; source: ImageSource },
  ): AsyncGenerator<Prediction | L2TError, void> {
    const { options, control, source } = taken();
    const { batch, top = 5 } = options;
    for await (const { outcomes } of this.#inference.batches(source, { batch, ...control })) {
      for (const outcome of outcomes) yield outcome instanceof L2TError ? outcome : this.#rank(outcome, top);
    }
  }

  /**
   * All feature maps of the images, held in memory at once.
   * @throws L2TError as `predict`; INVALID_OPTION also if they do not fit in memory.
   */
  async features(images: readonly ImageInput[], given: InferenceOptions = {}): Promise<readonly FeatureMap[]> {
    const { options, control } = takeOptions(inferenceSchema, given, inferenceControls);
    const source = imageSource(images, control.maxPixels);
    const maps = describeNetwork(this.spec, this.size).features.map(({ index, channels, size }): FeatureMap => {
      const shape = [source.count, channels, size, size] as const;
      return { index, shape, values: allocate(shape) };
    });
    for await (const { first, outcomes, features } of this.#inference.batches(source, {
      ...options,
      ...control,
      features: true,
    })) {
      outcomes.forEach(orThrow);
      for (const { index, shape, values } of maps) {
        values.set(features[index] as Float32Array, (first * values.length) / shape[0]);
      }
    }
    return maps;
  }

  #rank(logits: Float32Array, top: number): Prediction {
    const logProbabilities = logSoftmax(logits);
    const best = ranked(logits)
      .slice(0, top)
      .map((index): RankedLabel => {
        const label = this.classNames[index] as string;
        return { label, index, probability: Math.exp(logProbabilities[index] as number) };
      });
    return { ...(best[0] as RankedLabel), best };
  }
}

function orThrow<T>(outcome: T | L2TError): T {
  if (outcome instanceof L2TError) throw outcome;
  return outcome;
}

function allocate(shape: FeatureMap['shape']): Float32Array {
  const length = elementCount(shape);
  try {
    return new Float32Array(length);
  } catch (cause) {
    const gigabytes = ((4 * length) / 2 ** 30).toFixed(1);
    const message = `A feature map of ${shape[0]} images takes ${gigabytes} GiB, more than can be held: give fewer at a time.`;
    throw invalidOption(message, cause);
  }
}
