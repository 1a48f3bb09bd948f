import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { required } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import type { RunRecord } from '../options/run-record.js';
import { transferSchema } from '../options/schemas.js';
import { differences, keptOptions, read, type SpecDraft, withFiles } from '../options/spec.js';
import { failureName, readFailure, recordName } from '../report/run-files.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import { fileError, makeFolder, writeFileAtomic } from '../system/files.js';
import { RunFolder } from './folder.js';
import { type Context, warn } from './materials.js';
import { inFolder } from './open-run.js';
import type { Run, RunResult } from './run.js';
import { runInGroup } from './run-group.js';
import { continueRun, startRun } from './start.js';
import type { CheckedTransferOptions, TransferOptions } from './transfer.js';

/**
 * As `transfer` into the folder `out`, as often as it takes: it starts the run, continues it where it was interrupted, or
 * gives its result where it is finished. Several processes may try at once, also on several hosts that share the folder:
 * one trains, the others fail with INVALID_RUN. A failure is kept in failure.json in the folder, until the next attempt.
 * If data or sources with which the run began are gone, those given now stand in for them, if they hold the same.
 *
 * Fails as `transfer` and `resume`, and with INVALID_RUN if the folder holds a run with other options.
 */
export function resumeOrStart(given: TransferOptions): Run {
  return runInGroup(transferSchema, given, async (options, joined) => {
    const out = required(transferSchema, options, 'out');
    const context = { ...joined, locked: true } as const;
    if (!context.group.first) return goOnOrBegin(out, options, context);
    await makeFolder(out);
    return releaseAfter(await FolderLock.acquire(out, warn(context)), () =>
      keepingFailure(out, () => goOnOrBegin(out, options, context)),
    );
  });
}

async function goOnOrBegin(out: string, options: CheckedTransferOptions, context: Context): Promise<RunResult> {
  if (await context.group.fromFirst(() => existsSync(join(out, recordName)))) {
    const { threads, device, live, cache } = options;
    const locking = { locked: context.locked, onWarning: warn(context) };
    const open = () =>
      RunFolder.open(out, locking, (written) => {
        const record = withMovedFiles(written, read(options), warn(context));
        requireSameOptions(out, record, read(options));
        const kept = keptOptions(record.spec, options).map((name) => `{${name}}`);
        if (kept.length > 0) warn(context)(`${out} goes on with its own ${kept.join(', ')}`);
        return record;
      });
    return inFolder(context, open, (run) => continueRun(run, { threads, device, live, cache }, context));
  }
  return startRun('transfer', options, context);
}

/** The record with the given files in place of those that are not there any more. */
function withMovedFiles(record: RunRecord, wanted: SpecDraft, onMoved: (message: string) => void): RunRecord {
  const moved: string[] = [];
  const spec = withFiles(record.spec, wanted, (began, given) => {
    if (given === began || existsSync(began)) return began;
    moved.push(`the run began with ${began}, which is not there any more: it goes on with ${given}`);
    return given;
  });
  moved.forEach(onMoved);
  return moved.length > 0 ? { ...record, spec } : record;
}

/** @throws L2TError INVALID_RUN if the folder holds a run with other options. */
function requireSameOptions(folder: string, { verb, spec }: RunRecord, wanted: SpecDraft): void {
  const flags = verb === 'transfer' ? differences(spec, wanted).map((name) => `{${name}}`) : ['the verb, pretrain'];
  if (flags.length === 0) return;
  throw new L2TError(
    'INVALID_RUN',
    `${folder} holds a run with other options (${flags.join(', ')}): choose another {out}, or continue that run: ${resumeCommand(verb, folder)}`,
  );
}

/** Removes what an earlier attempt has left of its failure, and writes that of `body`. An abort is none. */
async function keepingFailure<T>(out: string, body: () => Promise<T>): Promise<T> {
  const file = join(out, failureName);
  // A file of that name that is no record of a failure is somebody's own.
  await readFailure(out);
  await rm(file, { force: true }).catch((error: unknown) => {
    throw fileError('remove', file, error);
  });
  try {
    return await body();
  } catch (error) {
    const { code = 'INTERNAL', message } = error as Partial<L2TError> & Error;
    if (code !== 'ABORTED') {
      // The failure itself is the one to report.
      await writeFileAtomic(file, `${JSON.stringify({ code, message })}\n`).catch(() => {});
    }
    throw error;
  }
}
