import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import type { GpuMemory } from '../native/contract.js';
import { readText } from '../system/files.js';
import { parseJson } from '../system/json.js';

/** Names of files in a run folder: the options, the learning rate if it was found by a search, the model card. */
export const recordName = 'options.yaml';
export const rateName = 'rate.json';
/** A line for each epoch: what is reproducible, and how long it took. */
export const metricsName = 'metrics.jsonl';
export const timingName = 'timing.jsonl';
/** All that a resume needs, and the result of a finished run. */
export const stateName = 'state.safetensors';
export const cardName = 'README.md';
/** Why the run failed when it was last tried, if it did (`resumeOrStart`). */
export const failureName = 'failure.json';

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

/** A step of the search for a learning rate. */
export interface RateTrial {
  /** The rate that was tried. */
  readonly lr: number;
  /** Cross-entropy of the batch before the step, nats; null: NaN or infinite. */
  readonly loss: number | null;
}

const foundRate = z.strictObject({
  lr: z.number().gt(0),
  warmUp: z.number().gte(0).lt(1),
  diverged: z.number().nullable(),
  tried: z.array(z.strictObject({ lr: z.number(), loss: z.number().nullable() })),
});

/**
 * The learning rate that was found for the run in a folder; undefined if there is none.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readRate(folder: string): Promise<FoundRate | undefined> {
  const file = join(folder, rateName);
  if (!existsSync(file)) return undefined;
  const text = await readText(file);
  try {
    return foundRate.parse(parseJson(text));
  } catch (cause) {
    throw damagedFile(file, 'it is no record of a learning rate', cause);
  }
}

const finished = z.object({
  correct: z.int().nullable(),
  total: z.int().nullable(),
  accuracy: z.number().nullable(),
  /** Null of fewer classes. */
  topK: z.object({ k: z.int(), correct: z.int(), accuracy: z.number() }).nullable(),
  /** Epochs done. */
  epochs: z.int(),
  best: z.object({ epoch: z.int(), accuracy: z.number().nullable(), selected: z.boolean() }),
});

/** The result that a finished run saves in its state's metadata; its times are the sums of timing.jsonl. */
export type FinishedResult = z.output<typeof finished>;

/** @throws L2TError INVALID_RUN. */
export function parseResult(text: string | undefined, file: string): FinishedResult | undefined {
  if (text === undefined) return undefined;
  try {
    return finished.parse(parseJson(text));
  } catch (cause) {
    throw damagedFile(file, 'its result cannot be read', cause);
  }
}

/** A line of timing.jsonl. */
export interface EpochTiming {
  readonly epoch: number;
  /** Time of training and validation. */
  readonly seconds: number;
  readonly steps: number;
  /** Absent where no step was left after a resume. */
  readonly imagesPerSecond?: number;
  /** The most memory that the process had used so far, bytes. */
  readonly peakMemory: number;
  /** Only on a GPU. */
  readonly gpuMemory?: GpuMemory;
  /** Number of processes that computed it; absent: 1. */
  readonly ranks?: number;
}

/** The report of a run or an experiment. */
export const reportName = 'report.html';

export const startAgain = 'Start the run again in another folder.';

export function damagedFile(file: string, problem: string, cause?: unknown): L2TError {
  return new L2TError('INVALID_RUN', `${file} is damaged: ${problem}. ${startAgain}`, { cause });
}

const failureSchema = z.object({ code: z.string(), message: z.string() });

/** Why a run failed: the code and the message of its error. */
export type RunFailure = z.output<typeof failureSchema>;

/**
 * Why the run in a folder failed when it was last tried; undefined if it did not, or was not tried by `resumeOrStart`.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readFailure(folder: string): Promise<RunFailure | undefined> {
  const file = join(folder, failureName);
  if (!existsSync(file)) return undefined;
  const text = await readText(file);
  try {
    return failureSchema.parse(parseJson(text));
  } catch (cause) {
    throw damagedFile(file, 'it is no record of a failure', cause);
  }
}
