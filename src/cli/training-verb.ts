import type { Command } from 'commander';
import { L2TError } from '../errors.js';
import { formatTop } from '../inference/top-accuracy.js';
import { flagOf } from '../options/check.js';
import { inspectRun } from '../report/inspect.js';
import { resume, resumeSchema } from '../run/resume.js';
import type { Run, RunResult } from '../run/run.js';
import { flagOptions, folderToResume } from './flags.js';
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

/** Runs the verb `transfer` or `pretrain`: a new run or `--resume`, with progress, Ctrl-C and the result. */
export async function runTraining(
  command: Command,
  flags: TrainingFlags,
  begin: (signal: AbortSignal) => Promise<Run>,
): Promise<void> {
  const folder = folderToResume(flags);
  if (folder !== undefined) {
    requireAlone(command);
    await requireOwn(command.name(), folder);
  }
  const result = await interruptible(async (signal) => {
    const run =
      folder === undefined ? await begin(signal) : resume(folder, { ...flagOptions(resumeSchema, flags), signal });
    const progress = new Progress();
    const done = await follow(run, progress);
    if (done.report !== null) progress.note(`report: ${done.report}`);
    return done;
  });
  process.stdout.write(flags.json ? `${JSON.stringify(toJson(result))}\n` : summary(result));
}

async function requireOwn(verb: string, folder: string): Promise<void> {
  const begun = (await inspectRun(folder)).verb;
  if (begun === verb) return;
  throw new L2TError(
    'INVALID_RUN',
    `${folder} was begun by ${begun}: l2t-native ${begun} --resume ${folder} goes on with it.`,
  );
}

/** The options that may accompany --resume; all others belong to the start of a run. */
const besideResume = ['resume', 'json', ...Object.keys(resumeSchema.shape)];

function requireAlone(command: Command): void {
  const given = command.options
    .map((option) => option.attributeName())
    .filter((key) => command.getOptionValueSource(key) === 'cli' && !besideResume.includes(key));
  if (given.length === 0) return;
  const [first] = given as [string];
  throw new L2TError(
    'INVALID_OPTION',
    `${flagOf(first)} cannot accompany --resume, which goes on with the run's own options: only --threads, --device, --live and --json can.`,
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
  const which = best.selected ? 'the best on the validation images' : 'the last';
  return `${tested}${near}; weights of epoch ${best.epoch + 1}, ${which}${validated}${early}; learning rate ${lr}; ${seconds.toFixed(1)} s; ${checkpoint}\n`;
}
