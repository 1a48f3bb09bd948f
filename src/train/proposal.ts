import type { Sides } from '../data/check.js';
import { sampleShortSides } from '../data/image-sets.js';
import type { DataKind, ListingOptions } from '../data/layout-reader.js';
import { loadData } from '../data/load.js';
import { divide } from '../data/split.js';
import { type EntryEstimate, estimateRun } from '../experiments/estimate.js';
import { addon } from '../native/addon.js';
import { loadCheckpoint, networkIn } from '../networks/checkpoint.js';
import { describeNetwork } from '../networks/describe.js';
import { loadSources, type Source } from '../networks/sources.js';
import { aListingListener, aMessageListener, aSignal, takeOptions } from '../options/arguments.js';
import { defaultOf, type Given, required, type Written } from '../options/check.js';
import { requireConsistent } from '../options/consistent.js';
import type { Layout } from '../options/datasets.js';
import { finetuneEpochs, type MethodName, methodOf, needsOf } from '../options/methods.js';
import { defaultBatch, defaultSize, largeSize, type NetworkName, paperTarget } from '../options/networks.js';
import { oneOrList } from '../options/row.js';
import { proposeSchema, transferSchema } from '../options/schemas.js';
import { listSources } from '../options/spec.js';
import type { StartEvent } from '../run/events.js';
import { targetNames } from '../run/materials.js';
import type { TransferOptions } from '../run/transfer.js';
import { invalidOption } from '../system/failures.js';
import { median } from '../system/statistics.js';
import { type Candidate, candidateOf, fits, fittingCandidates } from './candidates.js';
import { learningOptions } from './plan.js';
import { msOf } from './timing.js';

/** Arguments that only the API has. The signal also ends the timing. */
export interface ProposeControl extends ListingOptions {
  /** Called with a message for each problem that does not stop a run. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** `l2t-native init --help` says what each option is. */
export type ProposeOptions = Written<typeof proposeSchema, 'data'> & ProposeControl;

/** The content of a data set, as a run with the defaults would divide it. */
export interface DataSummary extends Pick<StartEvent, 'images' | 'testDrawn'> {
  /** The folder that was given. */
  readonly data: string;
  /** The layout that was recognised or given; docs/data.md lists them. */
  readonly layout: Layout;
  /** The classes, by index. */
  readonly classNames: readonly string[];
  /** Short sides of a few training images, pixels. */
  readonly shortSides: Sides;
}

/** Options for a run, and the facts that led to them. */
export interface Proposal {
  /** The options that `transfer` takes. */
  readonly options: TransferOptions;
  /** The names of those options that were not given. */
  readonly proposed: readonly string[];
  /** The content of the data set. */
  readonly data: DataSummary;
  /** Number of pairs of features, of all sources. */
  readonly pairs: number;
  /** Duration of the run on this machine, from a few timed steps. Reading images and testing are not included. */
  readonly estimate: EntryEstimate;
}

/**
 * Lists a data set, and reads some of its images.
 * @throws L2TError INVALID_DATA, FILE_ACCESS, ABORTED.
 */
export async function lookAtData(
  { data, layout, imageColumn, labelColumn }: DataKind & { readonly data: string },
  control: ProposeControl = {},
): Promise<DataSummary> {
  const dataset = await loadData({ data, layout, imageColumn, labelColumn, drawTest: true, ...control });
  const { lists } = divide(dataset, { data, seed: defaultOf(transferSchema, 'seed') });
  const sides = await sampleShortSides(lists.train);
  return {
    data,
    layout: dataset.layout,
    classNames: dataset.classNames,
    images: {
      train: lists.train.count,
      validation: lists.validation?.count ?? 0,
      test: lists.test?.count ?? 0,
    },
    testDrawn: dataset.testDrawn === true,
    shortSides: { min: Math.min(...sides), median: median(sides), max: Math.max(...sides) },
  };
}

/**
 * Looks at the data and the sources, and proposes options for `transfer`: those that were given, and the defaults that
 * hold for this data and these networks. Times a few steps. Writes nothing.
 * @throws L2TError as `transfer` before it trains.
 */
export async function proposeOptions(given: ProposeOptions): Promise<Proposal> {
  const { options, control } = takeOptions(proposeSchema, given, {
    signal: aSignal,
    onListed: aListingListener,
    onWarning: aMessageListener,
  });
  const method = options.method ?? defaultOf(transferSchema, 'method');
  requireConsistent(options);
  const data = await lookAtData({ ...options, data: required(proposeSchema, options, 'data') }, control);
  const checkpoints = needsOf(method).source
    ? await loadSources(listSources(options), { size: options.size, onWarning: control.onWarning })
    : [];
  const { maxMs, maxParams, maxMb, ...rest } = options;
  const chosen = await choose(options, data, checkpoints[0], control);
  const { target, width, size } = chosen;
  const targetInit = chosen.targetInit ?? options.targetInit;
  if (targetInit !== undefined) {
    await loadCheckpoint(targetInit, {
      network: target,
      width,
      names: targetNames,
      onWarning: control.onWarning,
    });
  }
  describeNetwork({ name: target, classes: data.classNames.length, width }, size); // throws if images are too small
  warnOfSmallImages(data, target, size, control.onWarning);
  const configuration = options.pairs ?? methodOf(chosen.method).pairs;
  const sources = needsOf(chosen.method).source ? checkpoints : [];
  const { source, sourceNetwork, sourceWidth, ...others } = rest;
  const proposal: Given<typeof transferSchema> = {
    ...(sources.length > 0 ? rest : others),
    ...(sources.length > 0 && { sourceNetwork: oneOrList(checkpoints.map(({ network }) => network.name)) }),
    ...chosen,
    ...(configuration !== undefined && { pairs: configuration }),
    batch: options.batch ?? defaultBatch(size, data.images.train),
    epochs: options.epochs ?? (chosen.targetInit === undefined ? defaultOf(transferSchema, 'epochs') : finetuneEpochs),
    lr: defaultOf(transferSchema, 'lr'),
  };
  return {
    options: proposal as TransferOptions,
    proposed: Object.keys(proposal).filter((key) => !(key in options)),
    data,
    pairs: countPairs(proposal, sources, { name: target, classes: data.classNames.length, width }, size),
    estimate: await timed(proposal, data, sources, control.signal),
  };
}

type Choice = Pick<Given<typeof transferSchema>, 'targetInit' | 'sourceFinetune' | 'beta'> &
  Pick<Candidate, 'width' | 'size'> & { readonly target: NetworkName; readonly method: MethodName };

/**
 * Chooses what to train, and how. A given target is taken. Else the choice is that of `train`: the source itself is
 * fine-tuned if it is within the budget; else the largest network within the budget learns from it. With a given method
 * and no budget, it is the largest with fewer operations than the source and at most its parameters.
 */
async function choose(
  options: Given<typeof proposeSchema>,
  data: DataSummary,
  loaded: Source | undefined,
  control: ProposeControl,
): Promise<Choice> {
  const { maxMs, maxParams, maxMb, target: givenTarget, targetInit } = options;
  const budget = { maxMs, maxParams, maxMb };
  const limited = Object.values(budget).some((limit) => limit !== undefined);
  // Options with pairs but no method mean the paper's method.
  const givenMethod = options.method ?? (options.pairs === undefined ? undefined : defaultOf(transferSchema, 'method'));
  const method = givenMethod ?? defaultOf(transferSchema, 'method');
  // An ONNX file is neither fine-tuned nor compared with the networks that may be trained.
  const source = loaded?.onnx ? undefined : loaded;
  if (givenTarget !== undefined || targetInit !== undefined || source === undefined) {
    if (limited)
      throw invalidOption(
        'A budget ({maxMs}, {maxParams}, {maxMb}) chooses a network that learns from {source}: leave out {target} and {targetInit}, or the budget.',
      );
    const start = targetInit === undefined ? undefined : await networkIn(targetInit, options.width);
    const target =
      givenTarget ??
      start?.network ??
      paperTarget(Math.min(data.shortSides.median, loaded?.size ?? Number.POSITIVE_INFINITY));
    const size = options.size ?? start?.size ?? defaultSize(target);
    return { method, target, width: options.width ?? start?.width ?? 1, size };
  }
  const classes = data.classNames.length;
  const { width } = source.network;
  const name = source.network.name as NetworkName;
  const context = { warn: () => {}, note: () => {}, signal: undefined, ...control, began: 0 };
  const time = (candidate: Candidate) => msOf(candidate, classes, context);
  const untimed = candidateOf(name, width, source.size, classes);
  const costs = maxMs === undefined ? untimed : { ...untimed, ms: await time(untimed) };
  if (givenMethod === undefined && fits(costs, budget)) {
    const [path] = [options.source].flat();
    return { method: 'finetune', target: name, targetInit: path, width, size: source.size };
  }
  const limits = limited ? budget : { maxParams: costs.parameters };
  const shape = { width: options.width, size: options.size };
  const [best] = await fittingCandidates(costs, limits, classes, time, shape);
  const { network: target, ...rest } = best as Candidate;
  const learning = givenMethod ? { method } : { ...learningOptions, sourceFinetune: finetuneEpochs };
  return { ...learning, target, width: rest.width, size: rest.size };
}

/** Warns if a network for large images would read small ones enlarged: that takes time, and adds nothing to them. */
function warnOfSmallImages(
  { data, shortSides }: DataSummary,
  target: NetworkName,
  size: number,
  onWarning: ProposeControl['onWarning'],
): void {
  if (size < largeSize || shortSides.median >= size / 2) return;
  onWarning?.(
    `the images of ${data} have short sides of ${shortSides.median} pixels, and ${target} reads them enlarged to ${size}: a smaller {size}, or a target such as ${paperTarget(shortSides.median)}, takes less time`,
  );
}

function timed(
  options: Given<typeof transferSchema>,
  { classNames, images }: DataSummary,
  checkpoints: readonly Source[],
  signal: AbortSignal | undefined,
): Promise<EntryEstimate> {
  const { method = defaultOf(transferSchema, 'method') } = options;
  const sourceSize = checkpoints.map(({ size }) => size);
  const sourceWidth = checkpoints.map(({ network }) => network.width);
  const read = { ...options, ...(checkpoints.length > 0 && { sourceSize, sourceWidth }) };
  const sources = checkpoints.map(({ network: { name, classes }, onnx }) => ({
    network: name,
    classes,
    ...(onnx && { onnx }),
  }));
  return estimateRun(method, read, { classes: classNames.length, images: images.train, sources }, signal);
}

function countPairs(
  { pairs }: Given<typeof transferSchema>,
  checkpoints: readonly Source[],
  target: Source['network'],
  size: number,
): number {
  if (pairs === undefined) return 0;
  return checkpoints.flatMap(({ network, size: side }, k) => {
    const configuration = typeof pairs === 'string' ? pairs : (pairs[k] ?? (pairs[0] as string));
    return addon().pairs(network, side, target, size, configuration);
  }).length;
}
