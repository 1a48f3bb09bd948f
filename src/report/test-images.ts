import { hash } from 'node:crypto';
import { withoutSkipped } from '../data/damaged.js';
import type { ImageList } from '../data/dataset.js';
import { loadData } from '../data/load.js';
import { divide } from '../data/split.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import type { Inference } from '../inference/inference.js';
import { argmax, logSoftmax } from '../inference/logits.js';
import type { RunData } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { sum } from '../system/statistics.js';

/** Device, threads, signal and progress listener of a report. */
export interface Placement {
  readonly device: string;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Test images looked at so far. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Returns the images that the run was tested on; undefined if it had none.
 * @throws L2TError INVALID_RUN if the data has changed since the run began; the errors of loading the data.
 */
export async function testImagesOf(
  { record, folder, result }: RunData,
  signal?: AbortSignal,
): Promise<ImageList | undefined> {
  const { spec, found } = record;
  const dataset = await loadData({ ...spec, drawTest: true, signal });
  const { lists, division } = divide(dataset, spec);
  const { test } = withoutSkipped(lists, found.skipped ?? [], dataset);
  const count = test?.count ?? 0;
  const same =
    String(dataset.classNames) === String(found.classNames) &&
    hash('sha256', formatSplit(division)) === found.split &&
    (result === undefined || (result.total ?? 0) === count);
  if (same) return test;
  throw invalidRun(`The data in ${spec.data} changed since ${folder} began.`);
}

interface Mistake {
  /** The image's position in the list. */
  readonly image: number;
  readonly truth: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly probability: number;
  /** Its file, and its row or number in a file of several, as messages name it. */
  readonly name: string;
}

/** The network's right and wrong answers. In `confusion`, a row is a true class and a column a predicted one. */
export type Tested = Awaited<ReturnType<typeof testOn>>;

/** Number of the most confident mistakes that are shown. */
const shownMistakes = 24;

/**
 * Classifies the test images.
 * @throws L2TError INVALID_DATA, FILE_ACCESS for an image that cannot be read; ABORTED.
 */
export async function testOn(
  images: ImageList,
  classNames: readonly string[],
  inference: Inference,
  { signal, onProgress }: Pick<Placement, 'signal' | 'onProgress'>,
) {
  const confusion = classNames.map(() => new Array<number>(classNames.length).fill(0));
  /** The most confident ones, the worst first. */
  let mistakes: Mistake[] = [];
  for await (const { first, outcomes } of inference.batches(images, { signal })) {
    const wrong = outcomes.flatMap((logits, k): Mistake[] => {
      if (logits instanceof L2TError) throw logits;
      const truth = images.labels[first + k] as number;
      const predicted = argmax(logits);
      const row = confusion[truth] as number[];
      row[predicted] = (row[predicted] as number) + 1;
      const probability = Math.exp(logSoftmax(logits)[predicted] as number);
      return predicted === truth
        ? []
        : [{ image: first + k, truth, predicted, probability, name: images.name(first + k) }];
    });
    onProgress?.(first + outcomes.length, images.count);
    mistakes = [...mistakes, ...wrong].sort((a, b) => b.probability - a.probability).slice(0, shownMistakes);
  }
  const correct = sum(confusion.map((row, k) => row[k] as number));
  const classes = classNames.map((name, k) => ({ name, ...rates(confusion, k) }));
  return { correct, confusion, classes, mistakes };
}

/** Returns a class's recall (the share of its images called so) and precision (its share of those). Undefined: 0/0. */
function rates(confusion: readonly (readonly number[])[], k: number) {
  const images = sum(confusion[k] ?? []);
  const called = sum(confusion.map((row) => row[k] as number));
  const share = (of: number) => (of > 0 ? (confusion[k]?.[k] as number) / of : undefined);
  return { images, recall: share(images), precision: share(called) };
}
