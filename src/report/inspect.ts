import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import type { EpochMetrics, NetworkDescription, Normalisation, PairMetrics } from '../native/addon.js';
import { toCheckpoint } from '../networks/checkpoint.js';
import { countParameters, describeNetwork } from '../networks/describe.js';
import { isOwn } from '../networks/metadata.js';
import { loadWeights } from '../networks/weights/load.js';
import type { NetworkName } from '../options/networks.js';
import type { RunSpec } from '../options/spec.js';
import { type FoundRate, readRunData, recordName } from '../store/run-data.js';
import { fileError } from '../system/files.js';

export interface FileReport {
  readonly file: string;
  readonly format: string;
  /** Undefined where neither the file nor the caller says which network it is. */
  readonly network?: {
    readonly name: string;
    readonly classes: number;
    readonly width: number;
    readonly size: number;
    readonly classNames?: readonly string[] | undefined;
    readonly normalisation: Normalisation;
    /** Number of trained parameters, without running statistics. */
    readonly parameters: number;
    readonly features: NetworkDescription['features'];
  };
  readonly tensors: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly number[] }[];
}

/**
 * Describes a weights file: its tensors and, if the file or `network` and `width` name the network, its features.
 * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS; INVALID_OPTION if `width` or `size` is given without
 * `network`, for a file that does not name its network.
 */
export async function inspectFile(
  file: string,
  given: { network?: NetworkName | undefined; width?: number | undefined; size?: number | undefined } = {},
): Promise<FileReport> {
  const weights = await loadWeights(file);
  const tensors = [...weights.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const report = { file, format: weights.format, tensors };
  const nothingGiven = Object.values(given).every((value) => value === undefined);
  if (nothingGiven && !isOwn(weights.metadata)) return report;
  const { network, size, classNames, normalisation } = toCheckpoint(weights, file, given);
  const { features } = describeNetwork(network, size);
  const parameters = countParameters(network);
  return { ...report, network: { ...network, size, classNames, normalisation, parameters, features } };
}

export interface RunReport {
  readonly run: string;
  readonly verb: string;
  readonly options: RunSpec;
  /** The learning rate that was found; undefined where it was given, or is not found yet. */
  readonly rate: FoundRate | undefined;
  /** Epochs done. */
  readonly epochs: number;
  /** True if `patience` ended the run before its last epoch. */
  readonly endedEarly: boolean;
  /** λ and the entropy of w in the last epoch. */
  readonly pairs: readonly PairMetrics[];
  readonly last: EpochMetrics | undefined;
  readonly checkpoint: FileReport | undefined;
}

/**
 * Describes a run folder. It only reads, so it may be called while the run is in progress.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function inspectRun(run: string): Promise<RunReport> {
  const file = join(run, recordName);
  if (!existsSync(file)) {
    const table = join(run, 'comparison.md');
    const hint = existsSync(table) ? ` It is an experiment's: its runs are in it, and its table is ${table}.` : '';
    throw new L2TError('INVALID_RUN', `${run} holds no run: there is no ${file}.${hint}`);
  }
  const { record, rate, metrics, result } = await readRunData(run);
  const best = join(run, 'best.safetensors');
  const last = metrics.at(-1);
  const checkpoint = existsSync(best) ? await inspectFile(best) : undefined;
  const { verb, spec: options } = record;
  const epochs = metrics.length;
  const endedEarly = result !== undefined && epochs < options.epochs;
  return { run, verb, options, rate, epochs, endedEarly, pairs: last?.pairs ?? [], last, checkpoint };
}

/** @throws L2TError FILE_ACCESS. */
export async function isFolder(path: string): Promise<boolean> {
  const status = await stat(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  return status.isDirectory();
}
