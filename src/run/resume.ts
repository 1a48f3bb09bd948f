import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { attempted, requirePath } from '../options/arguments.js';
import type { Given } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { parseRecord, type RunRecord } from '../options/run-record.js';
import { transferSchema } from '../options/schemas.js';
import { recordName } from '../report/run-files.js';
import { readText } from '../system/files.js';
import { RunFolder } from './folder.js';
import { warn } from './materials.js';
import { inFolder } from './open-run.js';
import type { Run, RunControl } from './run.js';
import { runInGroup } from './run-group.js';
import { continueRun } from './start.js';

/** The options that a resume may change. With other threads or another device, the results' last digits may differ. */
export const resumeSchema = transferSchema.pick({ threads: true, device: true, live: true });

/** Options of `resume`: `threads`, `device`, and what only the API has. */
export type ResumeOptions = Given<typeof resumeSchema> & RunControl;

/**
 * Continues the run in `folder` as if it had never been interrupted. A finished run gives its result; a run that ended
 * before its first save starts over.
 *
 * Fails as `transfer`, and with INVALID_RUN if the folder is damaged, or the data or the source has changed.
 */
export function resume(folder: string, given: ResumeOptions = {}): Run {
  return resumeAs(undefined, folder, given);
}

/** As `resume`, of a run that `verb` began; undefined: of any. */
export function resumeAs(verb: RunRecord['verb'] | undefined, folder: string, given: ResumeOptions): Run {
  const path = attempted(() => requirePath(folder, 'The run folder'));
  return runInGroup(resumeSchema, given, async (changes, context) =>
    inFolder(
      context,
      () => openOwn(verb, path(), warn(context)),
      (run) => continueRun(run, changes, context),
    ),
  );
}

async function openOwn(
  verb: RunRecord['verb'] | undefined,
  path: string,
  onWarning: (message: string) => void,
): Promise<RunFolder> {
  const record = join(path, recordName);
  // Where there is none, opening the folder says what is there.
  const begun = verb === undefined || !existsSync(record) ? verb : parseRecord(await readText(record), record).verb;
  if (begun === undefined || begun === verb) return RunFolder.open(path, { onWarning });
  throw new L2TError('INVALID_RUN', `${path} was begun by ${begun}: ${resumeCommand(begun, path)} goes on with it.`);
}
