import type { Command } from 'commander';
import { formatTop } from '../inference/top-accuracy.js';
import { resumeAs, resumeSchema } from '../run/resume.js';
import type { Run, RunControl, RunResult } from '../run/run.js';
import type { RunRecord } from '../store/record.js';
import { whichOf } from '../store/run-data.js';
import { invalidOption } from '../system/failures.js';
import { printable, printableJson } from '../system/printable.js';
import { flagOptions, folderToResume, labelOf } from './flags.js';
import { beforeJoining, groupFlags, groupOf, reports } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';

/** Shows a run's progress on stderr until its end. */
export async function follow(run: Run, progress: Progress): Promise<RunResult> {
  try {
    for await (const event of run) progress.on(event);
  } finally {
    progress.stop();
  }
  return run.result;
}

export interface TrainingFlags {
  readonly resume?: string;
  readonly json?: boolean;
  readonly [key: string]: unknown;
}

/**
 * Runs the verb `transfer` or `pretrain`: a new run or `--resume`, with progress, Ctrl-C and the result. `read` gives
 * the options with which `begin` begins a new run.
 */
export async function runTraining<T>(
  command: Command,
  flags: TrainingFlags,
  read: () => Promise<T>,
  begin: (options: T, control: RunControl) => Run,
): Promise<void> {
  const group = groupOf(flags);
  const result = await interruptible(async (signal) => {
    const start = await beforeJoining(group, async (): Promise<() => Run> => {
      const folder = folderToResume(flags);
      if (folder === undefined) {
        const options = await read();
        return () => begin(options, { signal, group });
      }
      requireAlone(command);
      const changes = { ...flagOptions(resumeSchema, flags), signal, group };
      return () => resumeAs(command.name() as RunRecord['verb'], folder, changes);
    });
    const progress = new Progress();
    const done = await follow(start(), progress);
    if (reports(group) && done.report !== null) progress.note(`report: ${done.report}`);
    return done;
  });
  if (reports(group)) process.stdout.write(flags.json ? `${printableJson(toJson(result))}\n` : summary(result));
}

/** The options that may accompany --resume; all others belong to the start of a run. */
const besideResume = ['resume', 'json', ...Object.keys(resumeSchema.shape), ...Object.keys(groupFlags)];

function requireAlone(command: Command): void {
  const given = command.options
    .map((option) => option.attributeName())
    .filter((key) => command.getOptionValueSource(key) === 'cli' && !besideResume.includes(key));
  if (given.length === 0) return;
  const [first] = given as [string];
  throw invalidOption(
    `${labelOf(first)} cannot accompany --resume, which goes on with the run's own options: only --threads, --device, --json, --timeout and --no-group can.`,
  );
}

export function toJson(result: RunResult): Record<string, unknown> {
  const { run, checkpoint, report, method, lr, correct, total, accuracy, topK, best, epochs, endedEarly } = result;
  const { seconds } = result;
  return { run, checkpoint, report, method, lr, correct, total, accuracy, topK, best, epochs, endedEarly, seconds };
}

function summary({ checkpoint, correct, total, accuracy, topK, best, lr, seconds, ...result }: RunResult): string {
  const tested =
    accuracy === null ? 'no test images' : `test accuracy ${(100 * accuracy).toFixed(2)} % (${correct} of ${total})`;
  const near = topK === null ? '' : `, ${formatTop(topK)}`;
  const early = result.endedEarly
    ? `; ended early, after epoch ${result.epochs}: no validation after epoch ${best.epoch + 1} was better (--patience)`
    : '';
  const validated = best.accuracy === null ? '' : ` (validation ${(100 * best.accuracy).toFixed(2)} %)`;
  return `${tested}${near}; weights of epoch ${best.epoch + 1}, ${whichOf(best)}${validated}${early}; learning rate ${lr}; ${seconds.toFixed(1)} s; ${printable(checkpoint)}\n`;
}
