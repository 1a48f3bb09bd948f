import { aSignal, requirePath, takeOptions } from '../options/arguments.js';
import type { Given } from '../options/check.js';
import { transferSchema } from '../options/schemas.js';
import { RunFolder } from './folder.js';
import { Run, type RunControl } from './run.js';
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
  return new Run(async (emit) => {
    const { options: changes, control } = takeOptions(resumeSchema, given, { signal: aSignal });
    const opened = await RunFolder.open(requirePath(folder, 'The run folder'));
    return opened.use(() => continueRun(opened, changes, { emit, signal: control.signal }));
  });
}
