import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { EpochMetrics } from '../native/addon.js';
import { readMetadata } from '../networks/weights/safetensors.js';
import { parseRecord, type RunRecord } from '../options/run-record.js';
import { readText } from '../system/files.js';
import { parseJson } from '../system/json.js';
import {
  damagedFile,
  type EpochTiming,
  type FinishedResult,
  type FoundRate,
  metricsName,
  parseResult,
  readRate,
  recordName,
  stateName,
  timingName,
} from './run-files.js';

/** The text files of a run folder, and its result. */
export interface RunData {
  readonly folder: string;
  readonly record: RunRecord;
  /** The learning rate that was found; undefined where it was given, or is not found yet. */
  readonly rate: FoundRate | undefined;
  /** By epoch, as far as the run is. */
  readonly metrics: readonly EpochMetrics[];
  readonly timing: readonly EpochTiming[];
  /** Undefined until the run is finished. */
  readonly result: FinishedResult | undefined;
}

/**
 * Reads a run folder. It only reads, so the run may be in progress.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function readRunData(folder: string): Promise<RunData> {
  const file = join(folder, recordName);
  const record = parseRecord(await readText(file), file);
  const rate = await readRate(folder);
  const metrics = (await readLines(join(folder, metricsName), metricsLine)) as EpochMetrics[];
  const timing = (await readLines(join(folder, timingName), timingLine)) as EpochTiming[];
  const state = join(folder, stateName);
  const result = existsSync(state) ? parseResult((await readMetadata(state)).get('result'), state) : undefined;
  return { folder, record, rate, metrics, timing, result };
}

/** What every line must have, so that a page of it can be drawn. */
export const metricsLine = z.looseObject({
  epoch: z.number(),
  lr: z.number(),
  losses: z.record(z.string(), z.number()),
  trainAccuracy: z.number(),
  pairs: z.array(z.looseObject({ pair: z.tuple([z.number(), z.number()]) })),
});
export const timingLine = z.looseObject({
  epoch: z.number(),
  seconds: z.number(),
  steps: z.number(),
  peakMemory: z.number(),
});

/** The objects of a file with one JSON object a line; none where there is no such file. */
async function readLines(file: string, form: z.ZodType): Promise<unknown[]> {
  if (!existsSync(file)) return [];
  const lines = (await readText(file)).split('\n').filter((line) => line !== '');
  return lines.map((line, k) => {
    try {
      return form.parse(parseJson(line));
    } catch (cause) {
      throw damagedFile(file, `line ${k + 1} is not what a run writes`, cause);
    }
  });
}
