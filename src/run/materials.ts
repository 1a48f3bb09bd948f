import { prepareTrainingData, type TrainingData } from '../data/training-sets.js';
import type { Group } from '../group/group.js';
import { addon, type NamedTensor, type NativeSource } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { describeNetwork, lastLayerOf } from '../networks/describe.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { methodOf } from '../options/methods.js';
import { imagenetNormalisation } from '../options/networks.js';
import type { RunSpec, SpecDraft } from '../options/spec.js';
import { printable } from '../system/printable.js';
import type { RunEvent } from './events.js';
import { nativeSources, targetNames } from './sources.js';

/** Everything that a run trains with. */
export interface Materials {
  readonly spec: RunSpec;
  readonly device: { readonly device: string; readonly reason: string };
  readonly data: TrainingData;
  readonly sources: readonly NativeSource[];
  /** What the target starts from, with a last layer for the data's classes; and the hash of what its file holds. */
  readonly init: Checkpoint | undefined;
  readonly initHash: string | undefined;
}

export interface Context {
  /** The processes that compute the run. */
  readonly group: Group;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal | undefined;
  /** Where the run's folder is made if none is named. */
  readonly runs: string;
  /** True if the caller holds the lock of the run folder, and releases it. */
  readonly locked?: true;
}

/** The network to train, with as many classes as the data. */
export function targetNetwork(
  { target, width }: Pick<SpecDraft, 'target' | 'width'>,
  { classNames }: TrainingData,
): Checkpoint['network'] {
  return { name: target, classes: classNames.length, width };
}

/** The target with these weights. */
export function trainedNetwork({ spec, data }: Materials, weights: Checkpoint['weights']): Checkpoint {
  return {
    network: targetNetwork(spec, data),
    size: spec.size,
    classNames: data.classNames,
    normalisation: imagenetNormalisation,
    weights,
  };
}

export const warn =
  ({ emit }: Context) =>
  (message: string): void =>
    emit({ type: 'warning', message: printable(message) });

export const onListed =
  ({ emit }: Context) =>
  (entries: number): void =>
    emit({ type: 'listing', entries });

/** Loads everything that a run trains with. `check`: check the test images first, which a resume need not do again. */
export async function gather(
  spec: SpecDraft,
  device: Materials['device'],
  checkpoints: readonly Checkpoint[],
  context: Context,
  check: boolean,
): Promise<Omit<Materials, 'spec'>> {
  const { emit, signal } = context;
  const onWarning = warn(context);
  const { size, target, width, targetInit, strict } = spec;
  // Read first, so that a wrong path fails before minutes of decoding.
  const init =
    targetInit === undefined
      ? undefined
      : await loadCheckpoint(targetInit, { network: target, width, size, strict, names: targetNames, onWarning });
  requirePairs(spec, checkpoints);
  const prepared = await prepareTrainingData({
    ...spec,
    sourceSizes: checkpoints.map(({ size: side }) => side),
    check,
    signal,
    onWarning,
    onListed: onListed(context),
    onProgress: (done, total) => emit({ type: 'data', done, total }),
  });
  const fitted = init && withNewHead(init, spec, prepared.classNames.length, onWarning);
  const sources = nativeSources(spec, checkpoints, targetNetwork(spec, prepared));
  return { device, data: prepared, sources, init: fitted, initHash: init && hashTensors(init.weights) };
}

/** Checks sizes and pairs before images are decoded. One class will do: features do not depend on the classes. */
function requirePairs(spec: SpecDraft, checkpoints: readonly Checkpoint[]): void {
  const target = { name: spec.target, classes: 1, width: spec.width };
  describeNetwork(target, spec.size);
  nativeSources(spec, checkpoints, target);
}

/** If the number of classes differs, or the method wants it so, the last layer starts from the seed's random weights. */
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
  const given = new Map(init.weights.map((tensor) => [tensor.name, tensor]));
  const network = { name: target, classes, width };
  const last = lastLayerOf(network);
  const weights = addon()
    .initialise(network, seed)
    .map((fresh) => (last.includes(fresh.name) ? fresh : (given.get(fresh.name) as NamedTensor)));
  return { ...init, network, weights };
}
