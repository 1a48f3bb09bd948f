import type { Sides } from '../data/check.js';
import { sampleShortSides } from '../data/image-sets.js';
import type { DataKind, ListingOptions } from '../data/layout-reader.js';
import { loadData } from '../data/load.js';
import { divide } from '../data/split.js';
import { addon } from '../native/addon.js';
import { type Checkpoint, type HeldNetwork, loadCheckpoint, networkIn } from '../networks/checkpoint.js';
import { describeNetwork } from '../networks/describe.js';
import { aListingListener, aMessageListener, aSignal, takeOptions } from '../options/arguments.js';
import { defaultOf, type Given, required, type Written } from '../options/check.js';
import { requireConsistent } from '../options/consistent.js';
import type { Layout } from '../options/datasets.js';
import { methodOf, needsOf } from '../options/methods.js';
import { defaultBatch, defaultSize, largeSize, type NetworkName, paperTarget } from '../options/networks.js';
import { oneOrList } from '../options/row.js';
import { proposeSchema, transferSchema } from '../options/schemas.js';
import { listSources } from '../options/spec.js';
import type { StartEvent } from '../run/events.js';
import { loadSources, targetNames } from '../run/materials.js';
import type { TransferOptions } from '../run/transfer.js';
import { median } from '../system/statistics.js';
import { type EntryEstimate, estimate } from './estimate.js';

/** What only the API has. The signal also ends the timing. */
export interface ProposeControl extends ListingOptions {
  /** Called with a message for each problem that does not stop a run. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** `l2t-native init --help` says what each option is. */
export type ProposeOptions = Written<typeof proposeSchema, 'data'> & ProposeControl;

/** What a data set holds, as a run with the defaults would divide it. */
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

/** Options for a run, and what led to them. */
export interface Proposal {
  /** What `transfer` takes. */
  readonly options: TransferOptions;
  /** The names of those options that were not given. */
  readonly proposed: readonly string[];
  /** What the data set holds. */
  readonly data: DataSummary;
  /** Number of pairs of features, of all sources. */
  readonly pairs: number;
  /** How long the run would take on this machine: a few steps were timed. Reading images and testing are not included. */
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
    ? await loadSources(listSources(options), false, { onWarning: control.onWarning })
    : [];
  const start = await startOf(options);
  const target = options.target ?? start?.network ?? proposedTarget(checkpoints[0]?.size, data);
  const size = options.size ?? start?.size ?? defaultSize(target);
  const width = options.width ?? start?.width ?? 1;
  if (options.targetInit !== undefined) {
    await loadCheckpoint(options.targetInit, {
      network: target,
      width,
      names: targetNames,
      onWarning: control.onWarning,
    });
  }
  describeNetwork({ name: target, classes: data.classNames.length, width }, size); // throws where images are too small
  warnOfSmallImages(data, target, size, control.onWarning);
  const configuration = options.pairs ?? methodOf(method).pairs;
  const proposal: Given<typeof transferSchema> = {
    ...options,
    ...(checkpoints.length > 0 && { sourceNetwork: oneOrList(checkpoints.map(({ network }) => network.name)) }),
    target,
    width,
    method,
    ...(configuration !== undefined && { pairs: configuration }),
    size,
    batch: options.batch ?? defaultBatch(size, data.images.train),
    epochs: options.epochs ?? defaultOf(transferSchema, 'epochs'),
    lr: defaultOf(transferSchema, 'lr'),
  };
  const [first] = (await timed(proposal, data, checkpoints, control.signal)).entries;
  return {
    options: proposal as TransferOptions,
    proposed: Object.keys(proposal).filter((key) => !(key in options)),
    data,
    pairs: countPairs(proposal, checkpoints, { name: target, classes: data.classNames.length, width }, size),
    estimate: first as EntryEstimate,
  };
}

/** The network that the target starts from; undefined if it starts from random weights. */
export async function startOf({
  targetInit,
  width,
}: Pick<Given<typeof proposeSchema>, 'targetInit' | 'width'>): Promise<HeldNetwork | undefined> {
  return targetInit === undefined ? undefined : networkIn(targetInit, width);
}

/** The paper's target: that for small images where the source's images or these are small, or there is no source. */
export const proposedTarget = (sourceSize: number | undefined, { shortSides }: DataSummary): NetworkName =>
  paperTarget(Math.min(sourceSize ?? 0, shortSides.median));

/** Warns where a network for large images would read small ones enlarged: that takes time, and adds nothing to them. */
function warnOfSmallImages(
  { data, shortSides }: DataSummary,
  target: NetworkName,
  size: number,
  onWarning: ProposeControl['onWarning'],
): void {
  if (size < largeSize || shortSides.median >= size / 2) return;
  onWarning?.(
    `the images of ${data} have short sides of ${shortSides.median} pixels, and ${target} reads them enlarged to ${size}: a target for small images, such as ${paperTarget(shortSides.median)}, or a smaller {size} takes less time`,
  );
}

async function timed(
  options: Given<typeof transferSchema>,
  data: DataSummary,
  checkpoints: readonly Checkpoint[],
  signal: AbortSignal | undefined,
) {
  const { method = defaultOf(transferSchema, 'method'), epochs, threads } = options;
  const sides = checkpoints.map(({ size }) => size);
  const widths = checkpoints.map(({ network }) => network.width);
  const read = { ...options, ...(sides.length > 0 && { sourceSize: sides, sourceWidth: widths }) };
  const subject = {
    entries: [{ label: method, method, useless: [], options: read }],
    options: { epochs, threads, seeds: 1, parallel: 1 },
    classes: data.classNames.length,
    images: [data.images.train],
    sources: checkpoints.map(({ network: { name, classes } }) => ({ network: name, classes })),
  };
  return estimate(subject, { signal });
}

function countPairs(
  { pairs }: Given<typeof transferSchema>,
  checkpoints: readonly Checkpoint[],
  target: Checkpoint['network'],
  size: number,
): number {
  if (pairs === undefined) return 0;
  return checkpoints.flatMap(({ network, size: side }, k) => {
    const configuration = typeof pairs === 'string' ? pairs : (pairs[k] ?? (pairs[0] as string));
    return addon().pairs(network, side, target, size, configuration);
  }).length;
}
