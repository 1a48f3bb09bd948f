import type { RunRecord } from '../options/run-record.js';
import type { RunFolder } from './folder.js';
import type { Context } from './materials.js';
import type { RunResult } from './run.js';

/** A run that is under way. Ranks but 0 know its record, but need not see its folder. */
export interface OpenRun {
  /** Of the folder, on rank 0's host. */
  readonly path: string;
  readonly record: RunRecord;
  /** On rank 0. */
  readonly folder: RunFolder | undefined;
}

/** Opens or makes the run's folder on rank 0, and holds it while `body` runs on all ranks. */
export async function inFolder(
  { group }: Context,
  open: () => Promise<RunFolder>,
  body: (run: OpenRun) => Promise<RunResult>,
): Promise<RunResult> {
  let folder: RunFolder | undefined;
  const told = group.fromFirst(async () => {
    folder = await open();
    return { path: folder.path, record: folder.record };
  });
  const run = await told.catch((error: unknown) => {
    if (folder) return folder.use<never>(() => Promise.reject(error));
    throw error;
  });
  const opened = folder;
  return opened
    ? opened.use(() => body({ path: opened.path, record: opened.record, folder: opened }))
    : body({ ...run, folder: undefined });
}
