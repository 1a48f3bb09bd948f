import { join } from 'node:path';
import type { SkippedImage } from '../data/damaged.js';
import { balancedWeights } from '../data/dataset.js';
import { evaluationBatch } from '../data/fit.js';
import { prepareTrainingData, type TrainingData } from '../data/image-sets.js';
import { addon, type NamedTensor, type NativeSource, type RunMaterials } from '../native/addon.js';
import { toNamedTensors } from '../native/tensor.js';
import { type Checkpoint, checkpointNames, loadCheckpoint } from '../networks/checkpoint.js';
import { describeNetwork, lastLayerOf } from '../networks/describe.js';
import { contentHash, nativeSources, type Source } from '../networks/sources.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { readSafetensors } from '../networks/weights/safetensors.js';
import { type MethodName, methodOf } from '../options/methods.js';
import { defaultTop, imagenetNormalisation, largeSize } from '../options/networks.js';
import type { RunSpec, SpecDraft } from '../options/spec.js';
import { type Term, terms } from '../options/terms.js';
import { type FoundRate, readRunData, stateName } from '../store/run-data.js';
import { invalidOption } from '../system/failures.js';
import { quoted, someOf } from '../system/printable.js';
import { enoughToSelect } from './events.js';
import type { RunContext } from './run.js';

/** Everything that a run trains with. */
export interface Materials extends Awaited<ReturnType<typeof gather>> {
  readonly spec: RunSpec;
}

/** The network to train, with as many classes as the data. */
export function targetNetwork(
  { target, width }: Pick<SpecDraft, 'target' | 'width'>,
  { classNames }: TrainingData,
): Checkpoint['network'] {
  return { name: target, classes: classNames.length, width };
}

/** Returns the target with these weights. */
export function trainedNetwork({ spec, data }: Materials, weights: Checkpoint['weights']): Checkpoint {
  return {
    network: targetNetwork(spec, data),
    size: spec.size,
    classNames: data.classNames,
    normalisation: imagenetNormalisation,
    weights,
  };
}

export const onListed =
  ({ emit }: RunContext) =>
  (entries: number): void =>
    emit({ type: 'listing', entries });

/** Loads everything that a run trains with. `skipped`: the damaged images that a resumed run left out. */
export async function gather(
  spec: SpecDraft,
  device: { readonly device: string; readonly reason: string },
  checkpoints: readonly Source[],
  context: RunContext,
  skipped?: readonly SkippedImage[],
) {
  const { emit, signal } = context;
  const onWarning = context.warn;
  const { size, target, width, targetInit, strict } = spec;
  // The weights are read first: a wrong path fails before minutes of decoding.
  const init =
    targetInit === undefined
      ? undefined
      : await loadCheckpoint(targetInit, { network: target, width, size, strict, names: targetNames, onWarning });
  requireOutputs(spec, checkpoints[0]);
  const phi = await phiOfRun(spec, checkpoints, requirePairs(spec, checkpoints));
  const prepared = await prepareTrainingData({
    ...spec,
    sourceSizes: checkpoints.map(({ size: side }) => side),
    skipped,
    signal,
    onWarning,
    onListed: onListed(context),
    onProgress: (done, total) => emit({ type: 'data', done, total }),
    onClasses: (classNames) => {
      sourceClasses(spec, checkpoints[0], classNames);
    },
  });
  return {
    device,
    data: prepared,
    /** The target's initial weights, with a last layer for the data's classes; and the hash of their file's content. */
    init: init && withNewHead(init, spec, prepared.classNames.length, onWarning),
    initHash: init && hashTensors(init.weights),
    /** The initial meta-networks, if another run's are given (`metaInit`). */
    phi,
    checkpoints,
    sources: nativeSources(spec, checkpoints, targetNetwork(spec, prepared)),
    sourceClasses: sourceClasses(spec, checkpoints[0], prepared.classNames),
  };
}

const reads = (method: MethodName, what: Term['reads']) =>
  methodOf(method).terms.some((name) => terms[name].reads === what);

/** Options that decide whether a source suits a method. A fine-tuned one gets a last layer for the data's classes. */
type Suiting = Pick<SpecDraft, 'method' | 'sources' | 'sourceFinetune'>;

/** @throws L2TError INVALID_OPTION if the method learns from the outputs of the first source, which has no last layer. */
export function requireOutputs({ method, sources, sourceFinetune }: Suiting, first?: Source): void {
  if (sourceFinetune !== undefined || (!reads(method, 'outputs') && !reads(method, 'classes'))) return;
  if (first === undefined || first.network.classes > 0) return;
  throw invalidOption(
    `{method=${method}} learns from the outputs of the source, and ${sources[0]?.path} has no last layer: use a file that has one, or a method that reads features alone, such as {method=l2t-ww}.`,
  );
}

/**
 * Returns, for each class of the data, the index of the first source's output of that name. Undefined if the order is
 * the same, as for a source that is fine-tuned first, or the method does not need it.
 * @throws L2TError INVALID_OPTION if the method learns these outputs, and the source names no classes, or others.
 */
export function sourceClasses(
  { method, sources, sourceFinetune }: Suiting,
  first: Source | undefined,
  classNames: readonly string[],
): number[] | undefined {
  if (first === undefined || sourceFinetune !== undefined || !reads(method, 'classes')) return undefined;
  const indices = new Map(first.classNames?.map((name, k) => [name, k]));
  const classes = new Set(classNames);
  const missing = classNames.filter((name) => !indices.has(name));
  const extra = [...indices.keys()].filter((name) => !classes.has(name));
  if (missing.length + extra.length === 0) {
    const order = classNames.map((name) => indices.get(name) as number);
    return order.every((output, k) => output === k) ? undefined : order;
  }
  const differs = [
    ...(missing.length > 0 ? [`lacks ${someOf(missing, 3, quoted)}`] : []),
    ...(extra.length > 0 ? [`also has ${someOf(extra, 3, quoted)}`] : []),
  ].join(', and ');
  const what = first.classNames ? `other classes than the data (it ${differs})` : 'no names of classes';
  throw invalidOption(
    `{method=${method}} needs a source that tells the classes of the data apart, under the same names, and ${sources[0]?.path} has ${what}: ${first.onnx ? '' : 'fine-tune it on this data first ({sourceFinetune}), or '}use a method that reads any source, such as {method=l2t-ww}.`,
  );
}

/** Checks sizes and pairs before images are decoded. One class is enough: features do not depend on the classes. */
function requirePairs(spec: SpecDraft, checkpoints: readonly Source[]): NativeSource[] {
  const target = { name: spec.target, classes: 1, width: spec.width };
  describeNetwork(target, spec.size);
  return nativeSources(spec, checkpoints, target);
}

/** Reads φ of the run `metaInit`. @throws L2TError INVALID_OPTION if its sources, pairs or meta-networks are others. */
async function phiOfRun(
  { metaInit: folder, method, sourceFinetune }: SpecDraft,
  checkpoints: readonly Source[],
  sources: readonly NativeSource[],
): Promise<NamedTensor[] | undefined> {
  if (folder === undefined) return undefined;
  const { record, metrics } = await readRunData(folder);
  const same = (theirs: unknown, here: unknown, what: string) => {
    if (JSON.stringify(theirs) === JSON.stringify(here)) return;
    throw invalidOption(`{metaInit=${folder}} is a run with ${what}, so its meta-networks do not fit: leave it out.`);
  };
  const learned = (name: MethodName) => methodOf(name).learns ?? [];
  same(learned(record.spec.method), learned(method), `the method ${record.spec.method}`);
  same(record.spec.sourceFinetune, sourceFinetune, 'sources that were fine-tuned otherwise');
  same(record.found.sources, checkpoints.map(contentHash), 'other sources');
  const pairs = sources.flatMap((each, source) => each.pairs.map((pair) => ({ source, pair })));
  const last = metrics.at(-1);
  same(
    last?.pairs.map(({ source, pair }) => ({ source, pair })),
    pairs,
    last ? 'other pairs' : 'no epoch that is saved',
  );
  const { tensors } = await readSafetensors(join(folder, stateName));
  const phi = toNamedTensors(tensors).filter(({ name }) => name.startsWith(phiPrefix));
  return phi.map((tensor) => ({ ...tensor, name: tensor.name.slice(phiPrefix.length) }));
}

const phiPrefix = 'phi/';

/** Gives the last layer the seed's random weights if the number of classes differs, or the method asks for it. */
function withNewHead(
  init: Checkpoint,
  { method, targetInit, target, width, seed }: SpecDraft,
  classes: number,
  onWarning: (message: string) => void,
): Checkpoint {
  const always = methodOf(method).start === 'checkpoint, new last layer';
  const differs = init.network.classes !== classes;
  if (!differs && !always) return init;
  if (differs) {
    onWarning(`${targetInit} has ${init.network.classes} classes and the data ${classes}: the last layer starts anew`);
  }
  const loaded = new Map(init.weights.map((tensor) => [tensor.name, tensor]));
  const network = { name: target, classes, width };
  const last = lastLayerOf(network);
  const weights = addon()
    .initialise(network, seed)
    .map((fresh) => (last.includes(fresh.name) ? fresh : (loaded.get(fresh.name) as NamedTensor)));
  return { ...init, network, weights };
}

/** The learning rates of a run. */
export interface Rates {
  /** The rate of the schedule. */
  readonly lr: number;
  /** How `lr` was found; absent if it was given. */
  readonly found?: FoundRate | undefined;
  /** The rate of the meta-networks; absent if the method trains none. */
  readonly metaLr?: number | undefined;
}

/** Returns everything that the addon takes besides the spec. */
export function nativeMaterials(
  { spec, data, sources, sourceClasses, init, phi }: Materials,
  { lr, found, metaLr }: Rates,
): RunMaterials {
  const { size, augment, patience, balance } = spec;
  const classes = data.classNames.length;
  const validated = data.validation?.labels.length ?? 0;
  return {
    target: targetNetwork(spec, data),
    normalisation: imagenetNormalisation,
    sources,
    train: data.train,
    resizedCrops: data.train.pixels === undefined && size >= largeSize && augment !== 'none',
    evaluationBatch: evaluationBatch(size),
    ...(data.unlabelled && { unlabelled: data.unlabelled }),
    ...(data.validation && { validation: data.validation }),
    ...(data.test && { test: data.test }),
    ...(balance && { classWeights: balancedWeights(data.train.labels, classes) }),
    ...(sourceClasses && { sourceClasses }),
    selectBest: patience !== undefined || validated >= enoughToSelect,
    ...(classes > defaultTop && { top: defaultTop }),
    ...(init && { targetWeights: init.weights }),
    ...(phi && { phi }),
    lr,
    ...(metaLr !== undefined && { metaLr }),
    ...(found && { warmUp: found.warmUp }),
  };
}

/** Names of options, as in `checkpointNames`, for the weights that the target starts from. */
export const targetNames = { ...checkpointNames, network: '{target}' };
