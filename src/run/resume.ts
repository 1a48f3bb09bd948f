import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { attempted, requirePath } from '../options/arguments.js';
import { required, type Written } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { transferSchema } from '../options/schemas.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import type { RunRecord } from '../store/record.js';
import { readRecord, recordName } from '../store/run-data.js';
import { RunStore } from '../store/run-store.js';
import { invalidRun } from '../system/failures.js';
import { makeFolder } from '../system/files.js';
import { newRun, type Run, type RunContext, type RunControl } from './run.js';
import { continueRun, goOnOrBegin } from './start.js';
import type { TransferOptions } from './transfer.js';

/** The options that a resume may change. With other threads or another device, the results' last digits may differ. */
export const resumeSchema = transferSchema.pick({ threads: true, device: true });

/** Options of `resume`: `threads`, `device`, and those that only the API has. */
export type ResumeOptions = Written<typeof resumeSchema> & RunControl;

/**
 * Continues the run in `folder` as if it had never been interrupted. A finished run gives its result; a run that ended
 * before its first save starts over.
 *
 * Fails as `transfer`, and with INVALID_RUN if the folder is damaged, or the data or the source has changed.
 */
export function resume(folder: string, given: ResumeOptions = {}): Run {
  return resumeAs(undefined, folder, given);
}

/** Resumes a run that `verb` began; undefined: any run. */
export function resumeAs(verb: RunRecord['verb'] | undefined, folder: string, given: ResumeOptions): Run {
  const path = attempted(() => requirePath(folder, 'The run folder'));
  return newRun(resumeSchema, given, async (changes, context) =>
    continueRun(() => openBegunBy(verb, path(), context), changes, context),
  );
}

async function openBegunBy(verb: RunRecord['verb'] | undefined, path: string, { warn }: RunContext): Promise<RunStore> {
  // Without a record, `RunStore.open` throws an error that says what the folder holds.
  const isRun = verb !== undefined && existsSync(join(path, recordName));
  const begun = isRun ? (await readRecord(path)).verb : verb;
  if (begun === verb) return RunStore.open(path, { onWarning: warn });
  const command = resumeCommand(begun as string, path);
  throw invalidRun(`${path} was begun by ${begun}: ${command} goes on with it.`);
}

/**
 * Calls `transfer` into the folder `out`, as often as it takes: starts the run, continues it where it was interrupted,
 * or gives its result if it is finished. Several processes may try at once, also on several hosts that share the
 * folder: one trains, the others fail with INVALID_RUN. A failure is kept in failure.json in the folder, until the next
 * attempt. If data or sources with which the run began are gone, the given ones replace them if their content is the
 * same.
 *
 * Fails as `transfer` and `resume`, and with INVALID_RUN if the folder holds a run with other options.
 */
export function resumeOrStart(given: TransferOptions): Run {
  return newRun(transferSchema, given, async (options, context) => {
    const out = required(transferSchema, options, 'out');
    if (!context.ranks.first) return goOnOrBegin(out, options, context);
    await makeFolder(out);
    return releaseAfter(await FolderLock.acquire(out, context.warn), () => goOnOrBegin(out, options, context));
  });
}
