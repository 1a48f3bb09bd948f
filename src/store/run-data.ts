import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { L2TError } from '../errors.js';
import type { EpochMetrics, GpuMemory } from '../native/contract.js';
import { bestName, stateName } from '../networks/checkpoint.js';
import { readMetadata } from '../networks/weights/safetensors.js';
import { invalidRun } from '../system/failures.js';
import { readText } from '../system/files.js';
import { parseJson } from '../system/json.js';
import { sum } from '../system/statistics.js';
import { holderOf } from './lock.js';
import { parseRecord, type RunRecord } from './record.js';

/** Names of files in a run folder: the options, the learning rates that were found, the model card. */
export const recordName = 'options.yaml';
export const rateName = 'rate.json';
/** Results of the sources that were fine-tuned first. */
export const sourcesName = 'sources.json';
/** Files with a line for each epoch: its reproducible numbers, and its times. */
export const metricsName = 'metrics.jsonl';
export const timingName = 'timing.jsonl';
/** All that a resume needs, and the result of a finished run. */
export { bestName, stateName };
export const cardName = 'README.md';
/** The failure of the last attempt, if it failed (`resumeOrStart`). */
export const failureName = 'failure.json';

/** A step of the search for a learning rate. */
export interface RateTrial {
  /** The rate that was tried. */
  readonly lr: number;
  /** Cross-entropy of the batch before the step, nats; null: NaN or infinite. */
  readonly loss: number | null;
}

const rateTrial = z.strictObject({
  lr: z.number(),
  loss: z.number().nullable(),
}) satisfies z.ZodType<RateTrial>;

/** A learning rate that was found by a search, and what the search measured. */
export interface FoundRate {
  /** α of the schedule. */
  readonly lr: number;
  /** Fraction of all steps over which the rate grows linearly to the schedule's. */
  readonly warmUp: number;
  /** The first rate at which the loss diverged; null if none of the tried rates was too high. */
  readonly diverged: number | null;
  /** For each rate, in the order tried: the cross-entropy of the batch before the step at that rate, in nats. */
  readonly tried: readonly RateTrial[];
}

const foundRate = z.strictObject({
  lr: z.number().gt(0),
  warmUp: z.number().gte(0).lt(1),
  diverged: z.number().nullable(),
  tried: z.array(rateTrial).readonly(),
}) satisfies z.ZodType<FoundRate>;

const foundRates = z.strictObject({ lr: foundRate.optional(), metaLr: z.number().gt(0).optional() });

/** A source that was fine-tuned before the run. */
export interface FinetunedSource {
  /** SHA-256 of its weights. */
  readonly weights: string;
  /** Accuracy on the test images, in [0, 1]; null without any. */
  readonly accuracy: number | null;
  /** Seconds of its training and validation. */
  readonly seconds: number;
}

const finetunedSource = z.strictObject({
  weights: z.string(),
  accuracy: z.number().nullable(),
  seconds: z.number(),
}) satisfies z.ZodType<FinetunedSource>;

/** Returns the folder of a source's fine-tuning: in the run's, or beside it, where runs with equal images share it. */
export function sourceFolder(
  run: string,
  { shareSource, perClass, seed }: Pick<RunRecord['spec'], 'shareSource' | 'perClass' | 'seed'>,
  source: number,
): string {
  const name = `source-${source}`;
  if (!shareSource) return join(run, name);
  return join(dirname(run), [name, ...(perClass === undefined ? [] : [perClass]), seed].join('-'));
}

/** The learning rates that were not given: that of SGD by a search, and that of the meta-networks. */
export type FoundRates = Readonly<z.output<typeof foundRates>>;

const finished = z.object({
  correct: z.int().nullable(),
  total: z.int().nullable(),
  accuracy: z.number().nullable(),
  /** Null without test images, and with five classes or fewer. */
  topK: z.object({ k: z.int(), correct: z.int(), accuracy: z.number() }).nullable(),
  /** Epochs done. */
  epochs: z.int(),
  best: z.object({ epoch: z.int(), accuracy: z.number().nullable(), selected: z.boolean() }),
});

/** The result that a finished run saves in its state's metadata; its times are the sums of timing.jsonl. */
export type FinishedResult = z.output<typeof finished>;

/** Returns how the result's epoch was chosen, to follow its number. */
export const whichOf = ({ selected }: FinishedResult['best']): string =>
  selected ? 'the best on the validation images' : 'the last';

/** @throws L2TError INVALID_RUN. */
export const parseResult = (text: string | undefined, file: string): FinishedResult | undefined =>
  text === undefined ? undefined : parsed(text, finished, file, 'its result cannot be read');

/** A line of timing.jsonl. */
export interface EpochTiming {
  readonly epoch: number;
  /** Time of training and validation. */
  readonly seconds: number;
  readonly steps: number;
  /** Absent if no step was left after a resume. */
  readonly imagesPerSecond?: number;
  /** Peak memory of the process so far, bytes. */
  readonly peakMemory: number;
  /** Absent on a CPU. */
  readonly gpuMemory?: GpuMemory;
  /** Number of processes that computed it; absent: 1. */
  readonly ranks?: number;
}

/** Sums over epochs: their seconds, and the steps done in that time. */
export const totalOf = (timing: readonly EpochTiming[]): { readonly seconds: number; readonly steps: number } => ({
  seconds: sum(timing.map(({ seconds }) => seconds)),
  steps: sum(timing.map(({ steps }) => steps)),
});

/** The report of a run or an experiment. */
export const reportName = 'report.html';

export const startAgain = 'Start the run again in another folder.';

export function damagedFile(file: string, problem: string, cause?: unknown): L2TError {
  return invalidRun(`${file} is damaged: ${problem}. ${startAgain}`, cause);
}

const failureSchema = z.object({ code: z.string(), message: z.string() });

/** Why a run failed: the code and the message of its error. */
type RunFailure = z.output<typeof failureSchema>;

/**
 * Reads why the last attempt of the run in a folder failed; undefined if it did not, or was not by `resumeOrStart`.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export const readFailure = (folder: string): Promise<RunFailure | undefined> =>
  readObject(join(folder, failureName), failureSchema, 'it is no record of a failure');

/** Reads the JSON object in a file; undefined if there is no such file. */
const readObject = async <S extends z.ZodType>(file: string, form: S, problem: string) =>
  existsSync(file) ? parsed(await readText(file), form, file, problem) : undefined;

/** Parses JSON and checks its form. The keys of the value keep their order. */
function parsed<S extends z.ZodType>(text: string, form: S, file: string, problem: string): z.output<S> {
  try {
    const value = parseJson(text);
    form.parse(value);
    return value as z.output<S>;
  } catch (cause) {
    throw damagedFile(file, problem, cause);
  }
}

/** The state of a run. A killed run is interrupted. */
export type RunStatus =
  | { readonly state: 'running'; readonly holder?: string }
  | { readonly state: 'failed'; readonly failure: RunFailure }
  | { readonly state: 'interrupted' | 'finished' };

/**
 * Reads the state of the unfinished run in a folder.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readStatus(folder: string): Promise<RunStatus> {
  const holder = await holderOf(folder);
  if (holder !== undefined) return { state: 'running', holder };
  const failure = await readFailure(folder);
  return failure ? { state: 'failed', failure } : { state: 'interrupted' };
}

/** The text files of a run folder, and its result. */
export interface RunData {
  readonly folder: string;
  readonly record: RunRecord;
  /** Undefined if both were given, or are not found yet. */
  readonly rates: FoundRates | undefined;
  /** The sources that were fine-tuned first, once all are. */
  readonly sources: readonly FinetunedSource[] | undefined;
  /** Metrics of the epochs done. */
  readonly metrics: readonly EpochMetrics[];
  readonly timing: readonly EpochTiming[];
  /** Undefined until the run is finished. */
  readonly result: FinishedResult | undefined;
  readonly status: RunStatus;
}

/**
 * Reads a run folder. It only reads, so the run may be in progress.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readRunData(folder: string): Promise<RunData> {
  const record = await readRecord(folder);
  // This comes before the result: a run may end meanwhile.
  const status = await readStatus(folder);
  const progress = await readProgress(folder);
  const state = join(folder, stateName);
  const result = existsSync(state) ? parseResult((await readMetadata(state)).get('result'), state) : undefined;
  return { folder, record, ...progress, result, status: result ? { state: 'finished' } : status };
}

/** Reads options.yaml. @throws L2TError INVALID_RUN, FILE_ACCESS. */
export async function readRecord(folder: string): Promise<RunRecord> {
  const file = join(folder, recordName);
  return parseRecord(await readText(file), file);
}

/** Reads a run's progress. Lines after the first `epochs` are ignored. @throws L2TError INVALID_RUN, FILE_ACCESS. */
export async function readProgress(
  folder: string,
  epochs?: number,
): Promise<Pick<RunData, 'rates' | 'sources' | 'metrics' | 'timing'>> {
  const rates = await readObject(join(folder, rateName), foundRates, 'it is no record of learning rates');
  const sources = await readObject(
    join(folder, sourcesName),
    z.array(finetunedSource),
    'it is no record of fine-tuned sources',
  );
  const metrics = await readLines<EpochMetrics>(join(folder, metricsName), metricsLine, epochs);
  const timing = await readLines<EpochTiming>(join(folder, timingName), timingLine, epochs);
  return { rates, sources, metrics, timing };
}

/** Fields that every line must have, so that a page can be drawn from it. */
const metricsLine = z.looseObject({
  epoch: z.number(),
  lr: z.number(),
  losses: z.record(z.string(), z.number()),
  trainAccuracy: z.number(),
  pairs: z.array(
    z.looseObject({
      pair: z.tuple([z.number(), z.number()]),
      lambdaMean: z.number().optional(),
      lambdaStart: z.number().optional(),
      weightEntropy: z.number().optional(),
    }),
  ),
});
const timingLine = z.looseObject({
  epoch: z.number(),
  seconds: z.number(),
  steps: z.number(),
  peakMemory: z.number(),
});

/** Reads a file with one JSON object a line, one an epoch; none if there is no such file. */
async function readLines<T extends { readonly epoch: number }>(
  file: string,
  form: z.ZodType,
  epochs?: number,
): Promise<T[]> {
  if (!existsSync(file)) return [];
  const lines = (await readText(file)).split('\n').filter((line) => line !== '');
  return lines.slice(0, epochs).map((line, k) => {
    const problem = `line ${k + 1} is not what a run writes`;
    const value = parsed(line, form, file, problem) as T;
    if (value.epoch !== k) throw damagedFile(file, problem);
    return value;
  });
}
