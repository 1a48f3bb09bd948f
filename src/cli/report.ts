import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Command } from 'commander';
import { report } from '../experiments/report.js';
import { reportSchema } from '../options/schemas.js';
import { fileAccess } from '../system/failures.js';
import { printable, printableJson } from '../system/printable.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';

export function register(program: Command): void {
  const command = program
    .command('report')
    .description('write the report of a run or an experiment: one HTML file with curves, λ, pictures and errors')
    .argument('<dir>', "a run folder, or an experiment's");
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

/** Opens a file or an address with the program that the desktop has for it. */
export async function open(what: string): Promise<void> {
  const child = spawn('xdg-open', [what], { detached: true, stdio: 'ignore' });
  await once(child, 'spawn').catch((cause) => {
    const advice = 'it needs xdg-open (Debian: xdg-utils). Open the file yourself';
    throw fileAccess(`Cannot open ${what}: ${advice}.`, cause);
  });
  child.unref();
}
