import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { parseRecord } from '../options/run-record.js';
import { rateName, recordName } from '../report/run-files.js';
import { fileError, isTemporary, readText } from '../system/files.js';
import { requireFree } from '../system/folder-lock.js';

// Checks that a run or an experiment may begin in a folder, and removes what killed processes left there.

/**
 * Removes the temporary files of killed processes. The caller must be the only writer in the folder.
 * @throws L2TError FILE_ACCESS.
 */
export async function removeLeftOvers(path: string): Promise<void> {
  try {
    for (const name of (await readdir(path)).filter(isTemporary)) await rm(join(path, name), { force: true });
  } catch (error) {
    throw fileError('clear', path, error);
  }
}

/** The first of runs/NAME-1, runs/NAME-2, … that does not exist. */
export function firstFree(name: string): string {
  for (let k = 1; ; k++) {
    const path = join('runs', `${name}-${k}`);
    if (!existsSync(path)) return path;
  }
}

/** Verbs of experiments, whose folders hold runs. Each writes VERB.yaml, after `experimentFiles`. */
const experimentVerbs = ['compare', 'curve'] as const;
const experimentFiles = ['split.json', 'experiment.json'];

/**
 * Requires a folder in which a run may begin: it does not exist, or holds only a lock, which must be free, and the
 * files of a run that saved nothing.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function requireUnused(path: string): Promise<void> {
  if ((await listNames(path)).includes('lock')) await requireFree(path);
  await requireStartable(path);
}

/** As `requireUnused`, for a caller that holds the lock. */
export async function requireStartable(path: string): Promise<void> {
  const others = (await listNames(path)).filter((name) => !isIgnored(name) && name !== 'split.json');
  if (others.length > 0 && !(await savedNothing(path, others))) throw used(path, others);
}

/**
 * Requires a folder in which an experiment may begin: it does not exist, or holds only the files of an experiment that
 * ended before its options were written.
 * @throws L2TError INVALID_RUN, FILE_ACCESS.
 */
export async function requireUnusedByRuns(path: string): Promise<void> {
  const others = (await listNames(path)).filter((name) => !isIgnored(name) && !experimentFiles.includes(name));
  if (others.length > 0) throw used(path, others);
}

const isIgnored = (name: string): boolean => /^lock(\.|$)/.test(name) || isTemporary(name);

/** Does the folder hold a run's record, but no results? The run diverged or was killed before its first save. */
async function savedNothing(path: string, names: readonly string[]): Promise<boolean> {
  if (!names.includes(recordName) || names.some((name) => name !== recordName && name !== rateName)) return false;
  const file = join(path, recordName);
  // An options.yaml that is not a record may be the user's own file.
  const text = await readText(file);
  try {
    parseRecord(text, file);
    return true;
  } catch {
    return false;
  }
}

function used(path: string, others: readonly string[]): L2TError {
  const verb = experimentVerbs.find((known) => others.includes(`${known}.yaml`));
  const advice = others.includes(recordName)
    ? `holds a run already: continue it with --resume ${path}, or choose another --out`
    : verb
      ? `holds an experiment already: continue it with l2t-native ${verb} --resume ${path}, or choose another --out`
      : `is not empty (it holds ${others[0]}) and holds no run: choose another --out`;
  return new L2TError('INVALID_RUN', `${path} ${advice}.`);
}

async function listNames(path: string): Promise<string[]> {
  return readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw fileError('write', path, error);
  });
}
