import { existsSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { decisionsName } from '../networks/checkpoint.js';
import { resumeCommand } from '../options/command.js';
import { isOfLogs } from '../options/logs.js';
import { invalidRun } from '../system/failures.js';
import { isTemporary, listFolder, reaching, readText } from '../system/files.js';
import { requireFree } from './lock.js';
import type { RunRecord } from './record.js';
import { failureName, rateName, readFailure, readRecord, recordName, reportName, sourcesName } from './run-data.js';

// Checks that a run or an experiment may begin in a folder, and removes what killed processes left there.

/**
 * Removes the temporary files of killed processes. The caller must be the only writer in the folder.
 * @throws L2TError FILE_ACCESS.
 */
export async function removeLeftOvers(path: string): Promise<void> {
  await removeAll(path, (await listFolder(path)).filter(isTemporary));
}

/** Removes files of a folder, in this order. @throws L2TError FILE_ACCESS. */
export async function removeAll(path: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const file = join(path, name);
    await reaching(file, () => rm(file, { force: true }), 'remove');
  }
}

/** Removes a folder in which nothing was saved: it holds no more than a lock, which is free. Failures are of no interest. */
export async function removeUnused(path: string): Promise<void> {
  try {
    if ((await listFolder(path)).some((name) => name !== 'lock')) return;
    await rm(join(path, 'lock'), { force: true });
    await rmdir(path);
  } catch {}
}

/** Returns the first of RUNS/NAME-1, RUNS/NAME-2, … that does not exist. */
export function firstFree(runs: string, name: string): string {
  for (let k = 1; ; k++) {
    const path = join(runs, `${name}-${k}`);
    if (!existsSync(path)) return path;
  }
}

/** The plan of an experiment, in its folder. It is written last of the files that precede the first run. */
export const planName = 'plan.yaml';
const experimentFiles = ['split.json', 'runs.txt', 'array.sbatch'];

/**
 * Requires a folder in which a run may begin: it does not exist, or holds only a lock, which must be free, and the
 * files of a run that saved nothing.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function requireUnused(path: string): Promise<void> {
  if ((await listFolder(path)).includes('lock')) await requireFree(path);
  await requireStartable(path);
}

/**
 * Does the same as `requireUnused`, for a caller that holds the lock. Returns the files of the run that saved nothing,
 * in the order of removal: its record last, so that the remaining files are always recognised.
 */
export async function requireStartable(path: string): Promise<readonly string[]> {
  const names = await listFolder(path);
  const failure = names.filter((name) => name === failureName);
  // Throws if the file is no record of a failure: it may be the user's own.
  await readFailure(path);
  // Sources that an earlier run fine-tuned here are used again.
  const others = names.filter(
    (name) => !isIgnored(name) && name !== 'split.json' && name !== failureName && !/^source-\d+$/.test(name),
  );
  if (others.length === 0) return failure;
  const left = await leftUnsaved(path, others);
  if (left === undefined) throw await used(path, others);
  return [...failure, ...left];
}

/**
 * Requires a folder in which an experiment may begin: it does not exist, or holds only the files of an experiment that
 * ended before its options were written.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function requireUnusedByRuns(path: string): Promise<void> {
  const others = (await listFolder(path)).filter((name) => !isIgnored(name) && !experimentFiles.includes(name));
  if (others.length > 0) throw await used(path, others);
}

/** @throws L2TError INVALID_RUN. */
export async function requireRecord(path: string): Promise<void> {
  const file = join(path, recordName);
  if (existsSync(file)) return;
  const verb = await experimentVerb(path);
  const problem = verb
    ? `holds an experiment: continue it with ${resumeCommand(verb, path)}`
    : `holds no run: there is no ${file}. Give it as {out} to start one`;
  throw invalidRun(`${path} ${problem}.`);
}

const isIgnored = (name: string): boolean => /^lock(\.holder)?$/.test(name) || isTemporary(name);

/**
 * Returns the files of a run that diverged or was killed before its first save: its record, its learning rate, its logs
 * and its report. Undefined if the folder holds no record, or anything else.
 */
async function leftUnsaved(path: string, names: readonly string[]): Promise<readonly string[] | undefined> {
  if (!names.includes(recordName)) return undefined;
  // An options.yaml that is not a record may be the user's own file.
  const record = await readableRecord(path);
  if (record === undefined) return undefined;
  const { log = [], report } = record.spec;
  const files = [rateName, sourcesName, ...(report ? [reportName] : [])];
  const others = names.filter((name) => name !== recordName);
  return others.every((name) => files.includes(name) || isOfLogs(log, name)) ? [...others, recordName] : undefined;
}

async function used(path: string, others: readonly string[]): Promise<L2TError> {
  const verb = await experimentVerb(path);
  const advice = others.includes(recordName)
    ? `holds a run already: continue it with ${resumeCommand((await readableRecord(path))?.verb ?? 'transfer', path)}, or choose another {out}`
    : verb
      ? `holds an experiment already: continue it with ${resumeCommand(verb, path)}, or choose another {out}`
      : `is not empty (it holds ${others[0]}) and holds no run: choose another {out}`;
  return invalidRun(`${path} ${advice}.`);
}

/** Reads the record of the run in a folder; undefined if it is damaged. @throws L2TError FILE_ACCESS. */
const readableRecord = (path: string): Promise<RunRecord | undefined> =>
  readRecord(path).catch((error: unknown) => {
    if (error instanceof L2TError && error.code === 'INVALID_RUN') return undefined;
    throw error;
  });

/** Returns the verb of the experiment in a folder; undefined if it holds none. */
async function experimentVerb(path: string): Promise<string | undefined> {
  if (existsSync(join(path, decisionsName))) return 'train';
  const file = join(path, planName);
  if (!existsSync(file)) return undefined;
  return /^verb: (\w+)$/m.exec(await readText(file))?.[1] ?? 'compare';
}
