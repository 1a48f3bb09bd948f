import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { attempted, requirePath } from '../options/arguments.js';
import { type Given, required, type Written } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { methodIn } from '../options/consistent.js';
import { needsOf } from '../options/methods.js';
import type { OwnHelp } from '../options/option-help.js';
import { pretrainSchema, transferSchema } from '../options/schemas.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import type { RunRecord } from '../store/record.js';
import { readRecord, recordName } from '../store/run-data.js';
import { RunStore } from '../store/run-store.js';
import { invalidRun } from '../system/failures.js';
import { makeFolder } from '../system/files.js';
import { requireComplete } from './missing.js';
import { newRun, type Run, type RunContext, type RunControl } from './run.js';
import { continueRun, goOnOrBegin, startRun } from './start.js';

/** The options of `transfer`, checked: lists are in one string. */
export type CheckedTransferOptions = Given<typeof transferSchema>;

/** `l2t-native transfer --help` says what each option is, its range and its default. */
export type TransferOptions = Written<typeof transferSchema, 'target' | 'data'> & RunControl;

/**
 * Trains `target` on `data` with the help of a pretrained `source` (docs/method.md; arXiv 1905.05901), or without one
 * (`method: 'scratch'`), into a new run folder. `source` may be a list; `sourceNetwork`, `sourceSize`, `sourceWidth`,
 * `sourceLicence` and `pairs` are then one value for all or a list in its order.
 *
 * The run's `result` rejects with L2TError INVALID_OPTION, INVALID_DATA, INVALID_WEIGHTS, WEIGHTS_MISMATCH, INVALID_RUN
 * (the folder is in use or not empty), DEVICE_UNAVAILABLE, FILE_ACCESS, DIVERGED, GROUP_FAILED or ABORTED.
 */
export function transfer(given: TransferOptions): Run {
  return newRun(transferSchema, given, async (options, context) => {
    await requireComplete('transfer', transferSchema, options, needsOf(methodIn(options)), context.signal);
    return startRun('transfer', options, context);
  });
}

/** `l2t-native pretrain --help` says what each option is, its range and its default. */
export type PretrainOptions = Written<typeof pretrainSchema, 'network' | 'data', OwnHelp['pretrain']> & RunControl;

/** Trains `network` on `data` without a source, to be a source later. Fails as `transfer`. */
export function pretrain(given: PretrainOptions): Run {
  return newRun(pretrainSchema, given, async ({ network, ...options }, context) => {
    await requireComplete('pretrain', pretrainSchema, { ...options, network }, needsOf('scratch'), context.signal);
    const target = required(pretrainSchema, { network }, 'network');
    return startRun('pretrain', { ...options, target, method: 'scratch' }, context);
  });
}

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
