import { join } from 'node:path';
import { type ImageList, subset } from '../data/dataset.js';
import { L2TError } from '../errors.js';
import { Inference, type InferredBatch } from '../inference/inference.js';
import type { ImportanceJob, NamedTensor, Pair } from '../native/addon.js';
import { toNamedTensors } from '../native/tensor.js';
import { contentHash, loadSources, type Source } from '../networks/sources.js';
import { readSafetensors } from '../networks/weights/safetensors.js';
import { methodOf } from '../options/methods.js';
import { type RunData, sourceFolder, stateName } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { mean } from '../system/statistics.js';
import type { Placement } from './test-images.js';

/** Σ_c w_c S_c of one image, row-major. */
export interface Saliency {
  readonly image: number;
  readonly side: number;
  readonly values: Float32Array;
}

/** A source's pairs in the order of their mean λ, the largest first. */
export type ExplainedSource = readonly ReturnType<Gathered['summary']>[];

const [topChannels, topImages] = [4, 4];

/** The images of a list to which the meta-networks are applied; the first `salient` get saliency maps. */
export interface Sample {
  readonly images: ImageList;
  readonly positions: readonly number[];
  readonly salient: number;
}

/**
 * Applies a run's sources and meta-networks to images, for each source. Empty if the method learns no channel weights.
 * @throws L2TError INVALID_RUN if a source has changed since the run began; the errors of loading it; ABORTED.
 */
export async function explainSources(run: RunData, sample: Sample, placement: Placement): Promise<ExplainedSource[]> {
  const { record, folder } = run;
  const { method, sources, strict } = record.spec;
  const pairs = run.metrics.at(-1)?.pairs ?? [];
  if (!methodOf(method).learns?.includes('what') || pairs.length === 0) return [];
  const state = toNamedTensors((await readSafetensors(join(folder, stateName))).tensors);
  const explained: ExplainedSource[] = [];
  for (const [k, source] of sources.entries()) {
    const file = run.sources ? sourceFolder(folder, record.spec, k) : source.path;
    const [checkpoint] = (await loadSources([{ ...source, path: file }], { strict })) as [Source];
    if (contentHash(checkpoint) !== (run.sources?.[k]?.weights ?? record.found.sources[k])) {
      throw invalidRun(`The source ${file} changed since ${folder} began.`);
    }
    const ofSource = pairs.filter(({ source: index }) => index === k).map(({ pair }) => pair);
    const first = pairs.findIndex(({ source: index }) => index === k);
    const importance = { method, features: ofSource.map(([m]) => m), phi: phiOf(state, first, ofSource.length) };
    explained.push(await explain(checkpoint, ofSource, importance, sample, placement));
  }
  return explained;
}

/** Returns φ of `count` pairs from pair `first` on, renumbered from 0 for the source alone. */
function phiOf(state: readonly NamedTensor[], first: number, count: number): NamedTensor[] {
  return state.flatMap((tensor) => {
    const [, net, pair, part] = /^phi\/(weight_net|lambda_net)\.(\d+)\.(.+)$/.exec(tensor.name) ?? [];
    const index = Number(pair) - first;
    return index >= 0 && index < count ? [{ ...tensor, name: `${net}.${index}.${part}` }] : [];
  });
}

/** Collects λ, w, activations and saliency of a pair, by image, batch by batch; w and activations also by channel. */
class Gathered {
  readonly #lambda: number[] = [];
  readonly #weights: Float32Array[] = [];
  readonly #activations: Float32Array[] = [];
  readonly #saliency: Saliency[] = [];

  constructor(
    private readonly pair: Pair,
    private readonly sample: Sample,
  ) {}

  /** Adds a batch, in which the pair is the `i`th. */
  add({ first, outcomes, features, w, lambda }: InferredBatch, i: number): void {
    const count = outcomes.length;
    const [map, weights] = [features[this.pair[0]] as Float32Array, w[i] as Float32Array];
    const channels = weights.length / count;
    const area = map.length / count / channels;
    for (let k = 0; k < count; k++) {
      const imageWeights = weights.slice(k * channels, (k + 1) * channels);
      const channelOf = (c: number) => map.subarray((k * channels + c) * area).subarray(0, area);
      this.#weights.push(imageWeights);
      if (lambda[i]) this.#lambda.push(lambda[i][k] as number);
      this.#activations.push(
        Float32Array.from(imageWeights, (_, c) => channelOf(c).reduce((sum, value) => sum + value, 0) / area),
      );
      if (first + k >= this.sample.salient) continue;
      const values = new Float32Array(area);
      imageWeights.forEach((weight, c) => {
        channelOf(c).forEach((value, place) => {
          values[place] = (values[place] as number) + weight * value;
        });
      });
      this.#saliency.push({ image: this.sample.positions[first + k] as number, side: Math.sqrt(area), values });
    }
  }

  /** Returns a summary of the pair. λ is its mean over the images, undefined if the method does not learn it. */
  summary() {
    const channels = this.#weights[0]?.length ?? 0;
    const weight = Array.from({ length: channels }, (_, c) => mean(this.#weights.map((each) => each[c] as number)));
    const best = (count: number, length: number, score: (index: number) => number) =>
      [...Array(length).keys()].sort((a, b) => score(b) - score(a)).slice(0, count);
    /** The most weighted channels. 1/C is the weight of a channel among C equal ones. */
    const top = best(topChannels, channels, (c) => weight[c] as number).map((channel) => ({
      channel,
      weight: weight[channel] as number,
      /** Positions of the images with the highest mean activation of the channel, the highest first. */
      images: best(topImages, this.#activations.length, (k) => this.#activations[k]?.[channel] as number).map(
        (k) => this.sample.positions[k] as number,
      ),
    }));
    const lambda = this.#lambda.length > 0 ? mean(this.#lambda) : undefined;
    return { pair: this.pair, channels, lambda, top, saliency: this.#saliency };
  }
}

async function explain(
  checkpoint: Source,
  pairs: readonly Pair[],
  importance: ImportanceJob,
  sample: Sample,
  { signal, device, threads }: Placement,
): Promise<ExplainedSource> {
  const inference = new Inference(checkpoint, { device, threads, importance });
  const images = subset(sample.images, sample.positions);
  const gathered = pairs.map((pair) => new Gathered(pair, sample));
  // Feature maps are larger than images by far.
  const batch = Math.max(1, Math.floor(2 ** 15 / inference.size ** 2));
  for await (const inferred of inference.batches(images, { batch, features: true, signal })) {
    const failed = inferred.outcomes.find((outcome) => outcome instanceof L2TError);
    if (failed) throw failed;
    for (const [i, each] of gathered.entries()) each.add(inferred, i);
  }
  return gathered.map((each) => each.summary()).sort((a, b) => (b.lambda ?? 0) - (a.lambda ?? 0));
}
