import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { formatTop } from '../inference/logits.js';
import { flagWords, command as startCommand } from '../options/command.js';
import { transferSchema } from '../options/schemas.js';
import { givenOf } from '../options/spec.js';
import type { RunEvent } from '../run/events.js';
import type { Run, RunControl, RunResult } from '../run/run.js';
import { resumeAs, resumeSchema } from '../run/transfer.js';
import type { RunRecord } from '../store/record.js';
import { readRunData, recordName, whichOf } from '../store/run-data.js';
import { invalidOption } from '../system/failures.js';
import { counted, duration, printable, printableJson } from '../system/printable.js';
import { type Flags, flagOptions, folderToResume, givenFlags, requireAlone } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { printJsonLine, withLastLine } from './json-lines.js';
import { Progress } from './progress.js';

/** Shows a run's progress on stderr until its end; `also` has its events, too. */
async function follow(run: Run, progress: Progress, also?: (event: RunEvent) => void): Promise<RunResult> {
  try {
    for await (const event of run) {
      progress.on(event);
      also?.(event);
    }
  } finally {
    progress.stop();
  }
  return run.result;
}

/**
 * Runs the verb `transfer` or `pretrain`: a new run or `--resume`, with progress, Ctrl-C and the result. `read` gives
 * the options with which `begin` begins a new run.
 */
export async function runTraining<T>(
  command: Command,
  flags: Flags,
  read: () => Promise<T>,
  begin: (options: T, control: RunControl) => Run,
): Promise<void> {
  const group = groupOf(flags);
  const lines = flags.jsonLines && reports(group);
  const body = () =>
    interruptible(async (signal) => {
      const start = await beforeJoining(group, async (): Promise<() => Run> => {
        const folder = folderToResume(flags);
        if (folder === undefined) {
          const options = await read();
          return () => begin(options, { signal, group });
        }
        await requireUnfinished(folder, flags);
        requireAlone(flags, 'resume', "the run's own options", besideResume);
        const changes = { ...flagOptions(resumeSchema, flags), signal, group };
        return () => resumeAs(command.name() as RunRecord['verb'], folder, changes);
      });
      const progress = new Progress();
      const done = await follow(start(), progress, lines ? printJsonLine : undefined);
      if (reports(group) && done.learned !== null) progress.note(done.learned.sentence);
      if (reports(group) && done.report !== null) progress.note(`report: ${done.report}`);
      return done;
    });
  if (lines) return withLastLine(async () => toJson(await body()));
  const result = await body();
  if (reports(group)) process.stdout.write(flags.json ? `${printableJson(toJson(result))}\n` : summary(result));
}

/** The flags that may accompany --resume; all others belong to the start of a run. */
const besideResume = [...Object.keys(resumeSchema.shape), 'json', 'jsonLines', ...Object.keys(groupFlags)];

/** Refuses options of the start of a run. If the run is complete, the error says how to train on from its network. */
async function requireUnfinished(folder: string, flags: Flags): Promise<void> {
  const others = Object.fromEntries(
    givenFlags(flags).filter(([key]) => key !== 'resume' && !besideResume.includes(key)),
  );
  if (Object.keys(others).length === 0 || !existsSync(join(folder, recordName))) return;
  const { record, result } = await readRunData(folder);
  if (result === undefined) return;
  const changes = flagOptions(transferSchema, others);
  const options = { ...givenOf(record.spec, { complete: false }), ...changes, targetInit: folder };
  throw invalidOption(
    `${folder} is complete, after ${counted(result.epochs, 'epoch')}. This trains on from its network, in a new run: ${startCommand('transfer', ...flagWords(transferSchema, options))}`,
  );
}

/** Returns what --json prints, first where things are. */
function toJson({ network: _, steps: __, run, checkpoint, report, method, lr, ...result }: RunResult): object {
  return { run, checkpoint, report, method, lr, ...result };
}

/** Returns the end of a phrase, after the number of images that were tested. */
export const leftOut = ({ skipped }: Pick<RunResult, 'skipped'>): string =>
  skipped > 0 ? `; ${counted(skipped, 'damaged image')} left out` : '';

function summary({ checkpoint, correct, total, accuracy, topK, best, lr, ...result }: RunResult): string {
  const tested =
    accuracy === null
      ? 'no test images'
      : `test accuracy ${(100 * accuracy).toFixed(2)} % (${correct} of ${total}${leftOut(result)})`;
  const near = topK === null ? '' : `, ${formatTop(topK)}`;
  const early = result.endedEarly
    ? `; ended early, after epoch ${result.epochs}: no validation after epoch ${best.epoch + 1} was better (--patience)`
    : '';
  const validated = best.accuracy === null ? '' : ` (validation ${(100 * best.accuracy).toFixed(2)} %)`;
  return `${tested}${near}; weights of epoch ${best.epoch + 1}, ${whichOf(best)}${validated}${early}; learning rate ${lr}; ${duration(process.uptime())}; ${printable(checkpoint)}\n`;
}
