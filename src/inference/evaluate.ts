import { firstDamaged, isDamage } from '../data/damaged.js';
import type { Dataset } from '../data/dataset.js';
import { evaluationBatch } from '../data/fit.js';
import type { ListingOptions } from '../data/layout-reader.js';
import { fingerprint, loadData } from '../data/load.js';
import { evaluationSplit } from '../data/split.js';
import { L2TError } from '../errors.js';
import { type Checkpoint, readCheckpoint, weightsFile } from '../networks/checkpoint.js';
import { withClassNames } from '../networks/class-names.js';
import { contentHash, loadSources, type Source } from '../networks/sources.js';
import { requireLastLayer } from '../networks/weights/match.js';
import {
  aListingListener,
  aMessageListener,
  aProgressListener,
  aSignal,
  attempted,
  requirePath,
  takeBeforeJoining,
} from '../options/arguments.js';
import { type Given, required, type Written } from '../options/check.js';
import { threadsWarning } from '../options/cost.js';
import { defaultTop } from '../options/networks.js';
import type { OwnHelp } from '../options/option-help.js';
import { evaluateSchema } from '../options/schemas.js';
import { checkpointPath, isOnnx } from '../options/sources.js';
import { aGroup, type GroupOptions } from '../ranks/options.js';
import type { Fact } from '../ranks/ranks.js';
import { Ranks } from '../ranks/ranks.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { printable, shown, someOf } from '../system/printable.js';
import { mean, sum } from '../system/statistics.js';
import { Inference } from './inference.js';
import { argmax, logSoftmax, rankOf, type TopAccuracy, topAccuracy } from './logits.js';
import { splitOfRun } from './run-split.js';

/** Options of `evaluate`: those of `eval` in docs/options.md, and what only the API has. */
export type EvaluateOptions = Written<typeof evaluateSchema, never, OwnHelp['evaluate']> & EvaluateControl;

interface EvaluateControl extends ListingOptions {
  /**
   * Shares the images with other processes, each of which makes the same call (docs/scale.md). All have the result; the
   * listeners below are called on rank 0 alone.
   */
  readonly group?: GroupOptions | undefined;
  /** Images evaluated so far. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with a message for each problem that does not stop the evaluation. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with a message if the images to evaluate come from the split of the checkpoint's run. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/** How well a network classifies a set of images. */
export interface EvaluationResult {
  /** Number of images that it classifies correctly. */
  readonly correct: number;
  /** Number of images. */
  readonly total: number;
  /** Number of damaged images that were left out (`skipDamaged`); `total` does not count them. */
  readonly skipped: number;
  /** In [0, 1]. */
  readonly accuracy: number;
  /** Top-K accuracy: K is `top`, by default 5; null without `top` where there are five classes or fewer. */
  readonly topK: TopAccuracy | null;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  /** The network's name, as vgg9_bn. */
  readonly network: string;
  /** The checkpoint's classes; those without images have total 0 and accuracy null. */
  readonly classes: readonly {
    /** The class's name, or its index where the checkpoint has no names. */
    readonly name: string;
    /** Number of its images that are classified correctly. */
    readonly correct: number;
    /** Number of its images. */
    readonly total: number;
    /** In [0, 1]. */
    readonly accuracy: number | null;
  }[];
  /** Rows: true class; columns: predicted class. */
  readonly confusion: readonly (readonly number[])[];
}

const controls = {
  signal: aSignal,
  group: aGroup,
  onListed: aListingListener,
  onProgress: aProgressListener,
  onWarning: aMessageListener,
  onNote: aMessageListener,
};

/**
 * Measures how well a checkpoint (a path, or one in memory) classifies the images of `split` in `data`, by default the
 * test images. A checkpoint in a run's folder is by default measured on the run's data; if its split.json names test
 * images, on those, also where the data lies at another path. Any other flat folder is evaluated whole: for a checkpoint
 * in memory that was trained on one, give `splitFile` (RUN/split.json).
 * @throws L2TError INVALID_OPTION, INVALID_WEIGHTS, WEIGHTS_MISMATCH; INVALID_DATA, also if its classes are not the
 * checkpoint's; DEVICE_UNAVAILABLE, FILE_ACCESS, ABORTED.
 */
export async function evaluate(
  checkpoint: string | Checkpoint,
  given: EvaluateOptions = {},
): Promise<EvaluationResult> {
  const { options, control } = takeBeforeJoining(evaluateSchema, given, controls);
  const subject = attempted(() =>
    typeof checkpoint === 'string' ? requirePath(checkpoint, 'The checkpoint', checkpointPath) : checkpoint,
  );
  const { signal } = control;
  return Ranks.use(control.group, signal, async (ranks) => {
    const context = { ...(ranks.first && control), signal, ranks };
    const prepared = await ranks.agree(
      () => prepareEvaluation(subject(), options(), context),
      ({ facts }) => facts,
    );
    return evaluateShares(prepared, context);
  });
}

type EvaluationContext = Omit<EvaluateControl, 'group'> & { readonly ranks: Ranks };

/** An ONNX file with an output B × classes. */
async function loadOnnx(path: string, size: number | undefined, onNote: EvaluationContext['onNote']): Promise<Source> {
  const [source] = (await loadSources([{ path, ...(size !== undefined && { size }) }], { onNote })) as [Source];
  if (source.network.classes > 0) return source;
  throw invalidOption(
    `${path} has no output with a number for each class, so it classifies nothing: use it as a source ({source} of transfer).`,
  );
}

/** The inputs and settings of an evaluation. `facts`: values that must be equal on all ranks. */
type Subject = Awaited<ReturnType<typeof prepareEvaluation>>;

/**
 * A network and the names of its classes, and the file of its weights if they are in one.
 * @throws L2TError as `evaluate`.
 */
export async function loadClassifier(
  checkpoint: string | Checkpoint,
  options: Pick<Given<typeof evaluateSchema>, 'network' | 'width' | 'size' | 'strict' | 'classNames'>,
  messages: Pick<EvaluateControl, 'onWarning' | 'onNote'>,
): Promise<{ readonly loaded: Source; readonly file: string | undefined }> {
  const { network, width, size, strict, classNames } = options;
  const onnx = typeof checkpoint === 'string' && isOnnx(checkpoint);
  if (onnx && (network ?? width ?? strict) !== undefined) {
    throw invalidOption(
      `{network}, {width} and {strict} say how weights are read, and ${checkpoint} is an ONNX file: leave them out.`,
    );
  }
  const file = typeof checkpoint === 'string' && !onnx ? await weightsFile(checkpoint, messages.onWarning) : undefined;
  const read = onnx
    ? await loadOnnx(checkpoint, size, messages.onNote)
    : await readCheckpoint(file ?? checkpoint, { network, width, size, strict, ...messages });
  const loaded = await withClassNames(read, classNames);
  requireLastLayer(loaded.network);
  if (onnx && loaded.classNames === undefined) {
    throw invalidOption(
      `${checkpoint} has no names of its classes (class_names in its metadata): give {classNames}, a file with a name in each line.`,
    );
  }
  return { loaded, file };
}

/**
 * The accuracy of a classifier on the test images of a data set, in [0, 1].
 * @throws L2TError INVALID_DATA if the data has a class that the classifier does not know, or no test images; ABORTED.
 */
export async function testAccuracy(
  loaded: Source,
  dataset: Dataset,
  options: {
    readonly device?: string | undefined;
    readonly threads?: number | undefined;
    readonly skipDamaged?: boolean | undefined;
  },
  control: Pick<EvaluateControl, 'signal' | 'onProgress'>,
): Promise<number> {
  const inference = new Inference(loaded, options);
  const subject = {
    inference,
    network: loaded.network.name,
    images: evaluationSplit(dataset, 'test'),
    ...classesOf(loaded, dataset),
    top: undefined,
    batch: evaluationBatch(inference.size),
    skipDamaged: options.skipDamaged ?? false,
    facts: [],
  };
  const { signal } = control;
  return Ranks.use(undefined, signal, async (ranks) => (await evaluateShares(subject, { ...control, ranks })).accuracy);
}

async function prepareEvaluation(
  checkpoint: string | Checkpoint,
  options: Given<typeof evaluateSchema>,
  { signal, onListed, onWarning, onNote, ranks }: EvaluationContext,
) {
  const { size, split, skipDamaged = false, device = 'auto', threads = ranks.threads } = options;
  const { file, loaded } = await loadClassifier(checkpoint, options, { onWarning, onNote });
  const placed = ranks.device(device).device;
  if (loaded.onnx && placed !== 'cpu') onNote?.(printable(`${checkpoint} runs on the CPU, as every ONNX file`));
  const inference = new Inference(loaded, { size, device: placed, threads });
  const listing = { signal, onListed };
  for (const message of threadsWarning(threads, inference.device)) onWarning?.(message);
  const divided = options.split ?? options.splitFile;
  const asked = file !== undefined && (options.data === undefined || divided === undefined);
  const ofRun = asked ? await splitOfRun(file, options.data, listing) : {};
  const data = options.data ?? ofRun.data ?? required(evaluateSchema, options, 'data');
  if (ofRun.data !== undefined) onNote?.(printable(`the data is the run's: ${data}`));
  const dataset = await loadData({ ...ofRun, ...options, data, onWarning, ...listing });
  const images = evaluationSplit(dataset, split);
  if (ofRun.splitFile)
    onNote?.(printable(`evaluating on the ${images.count} test images that ${ofRun.splitFile} names`));
  if (ofRun.otherData !== undefined && dataset.flat) {
    const message = `${data} does not hold what ${ofRun.otherData} held when ${file} was trained on it: all ${images.count} images are evaluated. Where some of them were trained on, the accuracy is too high`;
    onWarning?.(message);
  }
  if (images.count === 0) throw invalidData(`${data} has no images to evaluate on.`);
  const { classNames, indices } = classesOf(loaded, dataset);
  const top = topOf(options.top, classNames.length);
  const { batch = evaluationBatch(inference.size) } = options;
  const subject = { inference, network: loaded.network.name, images, classNames, indices, top, batch, skipDamaged };
  if (ranks.size === 1) return { ...subject, facts: [] };
  const facts: Fact[] = [
    ...(['split', 'top', 'batch', 'size', 'skipDamaged'] as const).map((key): Fact => {
      return { what: `{${key}}`, value: options[key], code: 'INVALID_OPTION' };
    }),
    { what: 'the checkpoint', value: contentHash(loaded), code: 'INVALID_WEIGHTS', hidden: true },
    { what: 'the number of images', value: images.count, code: 'INVALID_DATA' },
    { what: 'the data', value: await fingerprint(dataset, signal), code: 'INVALID_DATA', hidden: true },
  ];
  return { ...subject, facts };
}

async function evaluateShares(subject: Subject, context: EvaluationContext): Promise<EvaluationResult> {
  const { images, classNames, indices, top, network } = subject;
  const found = await context.ranks.all(() => findings(subject, context));
  const predicted = found.flatMap((share) => share.predicted);
  // Added up in the order of the images, so that the sum does not depend on the number of ranks.
  const nats = found.flatMap((share) => share.nats);
  const near = sum(found.map((share) => share.near));
  const confusion = classNames.map(() => classNames.map(() => 0));
  predicted.forEach((index, image) => {
    if (index === null) return;
    const row = confusion[indices[images.labels[image] as number] as number] as number[];
    row[index] = (row[index] as number) + 1;
  });
  const classes = confusion.map((row, k) => {
    const total = sum(row);
    const correct = row[k] as number;
    return { name: classNames[k] as string, correct, total, accuracy: total > 0 ? correct / total : null };
  });
  const correct = sum(confusion.map((row, k) => row[k] as number));
  const total = nats.length;
  if (total === 0) throw invalidData(`None of the ${images.count} images to evaluate on can be read.`);
  const topK = top === undefined ? null : topAccuracy(top, near, total);
  const skipped = images.count - total;
  return { correct, total, skipped, accuracy: correct / total, classes, confusion, topK, loss: mean(nats), network };
}

/** The images of this rank: whole batches, so that each image is in the same batch for any number of ranks. */
function shareOf({ images: { count }, batch }: Subject, { rank, size }: Ranks): { from: number; to: number } {
  const batches = Math.ceil(count / batch);
  const begin = (rank: number) => Math.min(count, batch * Math.floor((rank * batches) / size));
  return { from: begin(rank), to: begin(rank + 1) };
}

/**
 * Evaluates this rank's share of the images, in order. `predicted`: each one's class, null if it is left out; `nats`:
 * the others' cross-entropy; `near`: how many of the others have their class among the `top` likeliest.
 */
async function findings(subject: Subject, { signal, onProgress, ranks }: EvaluationContext) {
  const { inference, images, indices, top, batch, skipDamaged } = subject;
  const { from, to } = shareOf(subject, ranks);
  const found = { predicted: [] as (number | null)[], nats: [] as number[], near: 0 };
  const share = {
    count: to - from,
    name: (index: number) => images.name(from + index),
    read: (index: number) => images.read(from + index),
  };
  for await (const { first, outcomes } of inference.batches(share, { batch, signal })) {
    outcomes.forEach((logits, k) => {
      if (logits instanceof L2TError) {
        if (!isDamage(logits)) throw logits;
        if (!skipDamaged) throw firstDamaged(logits);
        found.predicted.push(null);
        return;
      }
      const label = indices[images.labels[from + first + k] as number] as number;
      found.predicted.push(argmax(logits));
      found.nats.push(-(logSoftmax(logits)[label] as number));
      if (top !== undefined && rankOf(logits, label) < top) found.near++;
    });
    onProgress?.(first + outcomes.length, share.count);
  }
  return found;
}

/**
 * K of the top-K accuracy, if it is measured.
 * @throws L2TError INVALID_OPTION if there are not more classes than were asked for.
 */
function topOf(given: number | undefined, classes: number): number | undefined {
  if (given === undefined) return classes > defaultTop ? defaultTop : undefined;
  if (given < classes) return given;
  throw invalidOption(
    `{top=${given}} counts every image as right, because the network has ${classes} classes: give a smaller number.`,
  );
}

/**
 * The checkpoint's classes, and the index among them of each class of the data set: by name if the checkpoint has
 * names, else in the data set's order.
 */
function classesOf({ classNames, network }: Source, { classNames: present, folder }: Dataset) {
  if (classNames === undefined) {
    if (present.length === network.classes) return { classNames: present, indices: [...present.keys()] };
    throw invalidData(
      `${folder} has ${present.length} classes, but the checkpoint tells ${network.classes} apart: use the data that it was trained for.`,
    );
  }
  const index = new Map(classNames.map((name, k) => [name, k]));
  const unknown = present.find((name) => !index.has(name));
  if (unknown !== undefined) {
    throw invalidData(
      `${folder} has the class '${shown(unknown)}', which the checkpoint does not know (it knows ${someOf(classNames, 10)}): choose known ones with {classes}.`,
    );
  }
  return { classNames, indices: present.map((name) => index.get(name) as number) };
}
