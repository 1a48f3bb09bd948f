import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bestName, type Checkpoint, decisionsName, isOwn, toCheckpoint } from '../networks/checkpoint.js';
import { countParameters, describeNetwork } from '../networks/describe.js';
import { loadWeights } from '../networks/weights/load.js';
import { networkOf } from '../networks/weights/match.js';
import type { NetworkName } from '../options/networks.js';
import { readRunData, recordName } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { reaching } from '../system/files.js';
import { learnedOf } from './learned.js';

export type FileReport = Awaited<ReturnType<typeof inspectFile>>;
export type OnnxReport = Awaited<ReturnType<typeof inspectOnnx>>;
export type RunReport = Awaited<ReturnType<typeof inspectRun>>;

/**
 * Describes a weights file: its tensors and, if its entries show the network, or it or `network` names it, its features.
 * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS; INVALID_OPTION if `width` or `size` is given without
 * `network`, for a file that does not name its network.
 */
export async function inspectFile(
  file: string,
  options: { network?: NetworkName | undefined; width?: number | undefined; size?: number | undefined } = {},
) {
  const weights = await loadWeights(file);
  const tensors = [...weights.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const isGiven = Object.values(options).some((value) => value !== undefined);
  const isShown = isGiven || isOwn(weights.metadata) || networkOf(weights.tensors, 1) !== undefined;
  const network = isShown ? checkpointFacts(toCheckpoint(weights, file, options)) : undefined;
  return { file, format: weights.format, tensors, network };
}

function checkpointFacts({ network, size, classNames, normalisation }: Checkpoint) {
  const { features } = describeNetwork(network, size);
  return { ...network, size, classNames, normalisation, parameters: countParameters(network), features };
}

/**
 * Describes an ONNX file: its input, the feature maps that it offers, and its classes. `taken`: true for the maps that
 * are taken if none are named.
 * @throws L2TError INVALID_WEIGHTS, FILE_ACCESS; INVALID_OPTION, also if onnxruntime-node is not installed.
 */
export async function inspectOnnx(file: string, { size }: { size?: number | undefined } = {}) {
  const { readOnnx } = await import('../networks/onnx/model.js');
  const model = await readOnnx(file, { size });
  const { runtime, sha256, input, batch, normalisation, normalisationFrom, outputs, classes, classNames } = model;
  const taken = new Set(model.maps.map(({ name }) => name));
  const features = model.offered.map((map) => ({ ...map, taken: taken.has(map.name) }));
  const images = { input, size: model.size, batch, normalisation, normalisationFrom };
  return { file, format: 'ONNX', sha256, runtime, ...images, features, outputs, classes, classNames };
}

/**
 * Describes a run folder. It only reads, so it may be called while the run is in progress.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function inspectRun(run: string) {
  const file = join(run, recordName);
  if (!existsSync(file)) {
    const [table, best] = [join(run, 'comparison.md'), join(run, bestName)];
    const hint = existsSync(join(run, decisionsName))
      ? ` It is the folder of train: name ${best}, or one of its runs, such as ${join(run, 'source')}.`
      : existsSync(table)
        ? ` It is an experiment's: its runs are in it, and its table is ${table}.`
        : '';
    throw invalidRun(`${run} holds no run: there is no ${file}.${hint}`);
  }
  const { record, rates, metrics, result } = await readRunData(run);
  const best = join(run, bestName);
  const last = metrics.at(-1);
  const { verb, spec: options } = record;
  return {
    run,
    verb,
    options,
    /** Undefined if the learning rates were given, or are not found yet. */
    rates,
    /** Epochs done. */
    epochs: metrics.length,
    /** True if `patience` ended the run before its last epoch. */
    endedEarly: result !== undefined && metrics.length < options.epochs,
    /** λ and the entropy of w in the last epoch. */
    pairs: last?.pairs ?? [],
    /** Undefined if the method has no meta-networks, or no epoch is done. */
    learned: learnedOf({ record, metrics }),
    last,
    checkpoint: existsSync(best) ? await inspectFile(best) : undefined,
  };
}

/** @throws L2TError FILE_ACCESS. */
export const isFolder = async (path: string): Promise<boolean> =>
  (await reaching(path, () => stat(path))).isDirectory();
