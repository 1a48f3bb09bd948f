import { aSignal, requirePath, takeOptions } from '../options/arguments.js';
import type { Given } from '../options/check.js';
import { transferSchema } from '../options/schemas.js';
import { RunFolder } from './folder.js';
import { Run, type RunControl } from './run.js';
import { continueRun } from './start.js';

/** All that may change when a run goes on; with other threads or another device its last digits may differ. */
export const resumeSchema = transferSchema.pick({ threads: true, device: true });

export type ResumeOptions = Given<typeof resumeSchema> & RunControl;

/**
 * Goes on with the run in `folder` as if it had never been interrupted; of a finished one gives the result. One that was
 * ended before its first save starts over.
 *
 * Fails as `transfer`, and with INVALID_RUN where the folder is damaged, or the data or the source has changed.
 */
export function resume(folder: string, given: ResumeOptions = {}): Run {
  return new Run(async (emit) => {
    const { options: changes, control } = takeOptions(resumeSchema, given, { signal: aSignal });
    const opened = await RunFolder.open(requirePath(folder, 'The run folder'));
    return opened.use(() => continueRun(opened, changes, { emit, signal: control.signal }));
  });
}
