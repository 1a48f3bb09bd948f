import type { Command } from 'commander';
import { trainSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
import { printable, printableJson } from '../system/printable.js';
import { describePlan, resultTable } from '../train/result.js';
import { planTraining, resumeTrain, type TrainOptions, type TrainResult, train } from '../train/train.js';
import { addExamples, addFlags, type Flags, flagOptions, folderToResume, requireAlone } from './flags.js';
import { requireNoLauncher } from './group-flags.js';
import { interruptible } from './interrupt.js';
import { addJsonFlags, printJsonLine, withLastLine } from './json-lines.js';
import { Progress, withProgress } from './progress.js';
import { table } from './table.js';

export function register(command: Command): void {
  addExamples(command, 'photos --source resnet34', 'photos --source resnet34 --max-ms 5 --time 30m');
  command.argument('[data]', 'the data set, as --data');
  addJsonFlags(
    addFlags(command, trainSchema)
      .option('--resume <dir>', 'continue an interrupted training')
      .option('--dry-run', 'look and time, print the plan, and train nothing'),
  ).action((data: string | undefined, flags: Flags) => run(data, flags));
}

async function run(data: string | undefined, flags: Flags): Promise<void> {
  requireNoLauncher();
  const parsed = flagOptions(trainSchema, flags);
  if (data !== undefined && parsed.data !== undefined) {
    throw invalidOption(`{data} is given twice, as ${parsed.data} and as ${data}: leave one out.`);
  }
  const options = { ...parsed, ...(data !== undefined && { data }) } as TrainOptions;
  const folder = folderToResume(flags);
  if (folder !== undefined) {
    requireAlone({ ...flags, data: options.data }, 'resume', 'its own options', ['json', 'jsonLines']);
  }
  if (flags.dryRun) {
    if (flags.jsonLines) throw invalidOption('--dry-run trains nothing: use --json in place of --json-lines.');
    const plan = await withProgress(({ note, warn }, signal) =>
      planTraining({ ...options, signal, onNote: note, onWarning: warn }),
    );
    process.stdout.write(`${flags.json ? printableJson(plan) : describePlan(plan).map(printable).join('\n')}\n`);
    return;
  }
  const body = () => interruptible((signal) => follow(folder, options, signal, flags.jsonLines === true));
  if (flags.jsonLines) return withLastLine(body);
  const result = await body();
  process.stdout.write(flags.json ? `${printableJson(result)}\n` : summary(result));
}

/** Shows the progress of each run on stderr. */
async function follow(
  folder: string | undefined,
  options: TrainOptions,
  signal: AbortSignal,
  lines: boolean,
): Promise<TrainResult> {
  const training = folder === undefined ? train({ ...options, signal }) : resumeTrain(folder, { signal });
  let label = '';
  let progress = new Progress();
  try {
    for await (const event of training) {
      const next = `${event.stage}${event.about === undefined ? '' : ` (${event.about})`}: `;
      if (next !== label) {
        progress.stop();
        progress = new Progress(next);
        label = next;
      }
      progress.on(event);
      if (lines) printJsonLine(event);
    }
  } finally {
    progress.stop();
  }
  return training.result;
}

function summary({ rows, sentence, checkpoint, report }: TrainResult): string {
  const { head, cells } = resultTable(rows);
  return `${[table(head, cells), sentence, `The result is ${checkpoint}, the report ${report}`].map((text, k) => (k === 0 ? text : printable(text))).join('\n')}\n`;
}
