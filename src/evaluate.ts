import { addon } from './addon.js';
import { type Checkpoint, loadCheckpoint } from './checkpoint.js';
import type { ImageList } from './datasets/image-list.js';
import { decodeAll } from './datasets/resident.js';
import { evaluationSplit } from './datasets/split.js';
import { L2TError } from './errors.js';
import { checkOptions, evaluateSchema, type Given, required } from './options.js';
import { defaultThreads } from './threads.js';
import { loadData } from './training-data.js';

export type EvaluateOptions = Given<typeof evaluateSchema> & {
  /** Ends the loading of the data with L2TError ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Images decoded so far. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
};

export interface EvaluationResult {
  readonly correct: number;
  readonly total: number;
  /** In [0, 1]. */
  readonly accuracy: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly network: string;
  /** The checkpoint's classes; those without images have total 0 and accuracy null. */
  readonly classes: readonly {
    readonly name: string;
    readonly correct: number;
    readonly total: number;
    readonly accuracy: number | null;
  }[];
  /** Rows: true class; columns: predicted class. */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * How well a checkpoint (a path, or one in memory) tells the images in `data` apart.
 * @throws L2TError INVALID_OPTION, INVALID_WEIGHTS, WEIGHTS_MISMATCH; INVALID_DATA, also where its classes are not the
 * checkpoint's; FILE_ACCESS, ABORTED.
 */
export async function evaluate(
  checkpoint: string | Checkpoint,
  { signal, onProgress, onWarning, ...given }: EvaluateOptions,
): Promise<EvaluationResult> {
  const options = checkOptions(evaluateSchema, given);
  const data = required(evaluateSchema, options, 'data');
  const { network, width, size, strict, classes } = options;
  const loaded =
    typeof checkpoint === 'string'
      ? await loadCheckpoint(checkpoint, { network, width, size, strict, onWarning })
      : { ...checkpoint, size: size ?? checkpoint.size };
  const dataset = await loadData({ data, layout: options.layout, classes, onWarning });
  const images = evaluationSplit(dataset, options.split);
  const labels = labelsOf(loaded, images, dataset.classNames, data);
  const native = addon();
  const [pixels] = await decodeAll([{ list: images, size: loaded.size }], data, {
    resize: native.resize,
    signal,
    onProgress,
  });
  const names = loaded.classNames ?? dataset.classNames;
  const { correct, total, loss, predictions } = await native.evaluate({
    network: loaded.network,
    weights: loaded.weights,
    images: { pixels, labels, size: loaded.size },
    size: loaded.size,
    normalisation: loaded.normalisation,
    batch: options.batch ?? 256,
    device: native.device(options.device ?? 'auto').device,
    threads: options.threads ?? defaultThreads(),
  });
  const confusion = count(labels, predictions, loaded.network.classes);
  const perClass = confusion.map((row, k) => {
    const all = row.reduce((sum, value) => sum + value, 0);
    const right = row[k] as number;
    return { name: names[k] as string, correct: right, total: all, accuracy: all > 0 ? right / all : null };
  });
  return {
    correct,
    total,
    accuracy: correct / total,
    loss,
    network: loaded.network.name,
    classes: perClass,
    confusion,
  };
}

/** The images' class indices as the checkpoint has them: by name where it has names, else in the data set's order. */
function labelsOf(
  { classNames, network }: Checkpoint,
  { labels }: ImageList,
  dataClasses: readonly string[],
  folder: string,
): Int32Array {
  if (classNames === undefined) {
    if (dataClasses.length === network.classes) return labels;
    throw new L2TError(
      'INVALID_DATA',
      `${folder} has ${dataClasses.length} classes, but the checkpoint tells ${network.classes} apart: use the data that it was trained for.`,
    );
  }
  const index = new Map(classNames.map((name, k) => [name, k]));
  const unknown = dataClasses.find((name) => !index.has(name));
  if (unknown !== undefined) {
    const known = classNames.slice(0, 10).join(', ');
    throw new L2TError(
      'INVALID_DATA',
      `${folder} has the class '${unknown}', which the checkpoint does not know (it knows ${known}${classNames.length > 10 ? ', …' : ''}): choose known ones with --classes.`,
    );
  }
  return labels.map((label) => index.get(dataClasses[label] as string) as number);
}

function count(labels: Int32Array, predictions: Int32Array, classes: number): number[][] {
  const rows = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, image) => {
    const row = rows[label] as number[];
    const predicted = predictions[image] as number;
    row[predicted] = (row[predicted] as number) + 1;
  });
  return rows;
}
