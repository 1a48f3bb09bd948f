import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { report } from '../experiments/report.js';
import { reportSchema } from '../options/schemas.js';
import { printable, printableJson } from '../system/printable.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { say } from './progress.js';

export function register(command: Command): void {
  command.argument('<dir>', "a run folder, or an experiment's");
  addFlags(command, reportSchema)
    .option('--open', 'open it in the browser')
    .option('--json', 'print the path as JSON')
    .action(async (folder: string, flags: { open?: boolean; json?: boolean } & Record<string, unknown>) => {
      const options = flagOptions(reportSchema, flags);
      const file = await interruptible((signal) => report(folder, { ...options, signal }));
      process.stdout.write(flags.json ? `${printableJson({ report: file })}\n` : `${printable(file)}\n`);
      if (flags.open) await open(file);
    });
}

/** Milliseconds after which a program that has not ended counts as showing the file. */
const patience = 3000;

/** Opens a file with the program that the desktop has for it, or says that there is none. */
async function open(file: string): Promise<void> {
  const child = spawn('xdg-open', [file], { detached: true, stdio: 'ignore' });
  const waiting = new AbortController();
  const problem = await Promise.race([
    once(child, 'exit').then(
      ([code]) => (code === 0 ? undefined : 'xdg-open found no program for it'),
      () => 'there is no xdg-open (Debian: xdg-utils)',
    ),
    wait(patience, undefined, { signal: waiting.signal }).catch(() => undefined),
  ]);
  waiting.abort();
  child.unref();
  if (problem === undefined) return;
  const advice = 'open it yourself, or copy it to a machine with a browser';
  say(`No browser was opened: ${problem}. The report is ${printable(resolve(file))}: ${advice}.`);
}
