import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import { readText } from '../system/files.js';

/** Of a run folder: its options, and the learning rate where it was found. */
export const recordName = 'options.yaml';
export const rateName = 'rate.json';

/** What a run's learning rate is, and what it was found from. */
export interface FoundRate {
  /** α of the schedule. */
  readonly lr: number;
  /** Part of all steps over which the rate grows linearly to the schedule's. */
  readonly warmUp: number;
  /** The first rate at which the loss was lost; null where none of those tried was too high. */
  readonly diverged: number | null;
  /** Cross-entropy of the batch before the step at each rate, in nats, in the order in which they were tried. */
  readonly tried: readonly RateTrial[];
}

export interface RateTrial {
  readonly lr: number;
  /** null: NaN or infinite. */
  readonly loss: number | null;
}

const foundRate = z.strictObject({
  lr: z.number().gt(0),
  warmUp: z.number().gte(0).lt(1),
  diverged: z.number().nullable(),
  tried: z.array(z.strictObject({ lr: z.number(), loss: z.number().nullable() })),
});

/**
 * The learning rate that was found for the run in a folder; undefined where none was.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readRate(folder: string): Promise<FoundRate | undefined> {
  const file = join(folder, rateName);
  if (!existsSync(file)) return undefined;
  const text = await readText(file);
  try {
    return foundRate.parse(JSON.parse(text));
  } catch (cause) {
    throw damagedFile(file, 'it is no record of a learning rate', cause);
  }
}

export const startAgain = 'Start the run again in another folder.';

export function damagedFile(file: string, problem: string, cause?: unknown): L2TError {
  return new L2TError('INVALID_RUN', `${file} is damaged: ${problem}. ${startAgain}`, { cause });
}
