import { once } from 'node:events';
import type { Command } from 'commander';
import { liveSchema } from '../options/schemas.js';
import { live } from '../report/live.js';
import { printable } from '../system/printable.js';
import { addFlags, flagOptions } from './flags.js';
import { interruptible } from './interrupt.js';
import { open } from './report.js';

export function register(program: Command): void {
  const command = program
    .command('live')
    .description('serve a page that shows runs while they train, or afterwards, until Ctrl-C')
    .argument('<dirs...>', "run folders, or experiments' folders; the runs' curves are drawn over each other");
  addFlags(command, liveSchema)
    .option('--open', 'open it in the browser')
    .action(async (folders: string[], flags: { open?: boolean } & Record<string, unknown>) => {
      const page = await live(folders, flagOptions(liveSchema, flags));
      process.stdout.write(`${page.url}\n`);
      // The page is served all the same.
      const warn = ({ message }: Error) => process.stderr.write(`warning: ${printable(message)}\n`);
      if (flags.open) await open(page.url).catch(warn);
      await interruptible(async (signal) => signal.aborted || once(signal, 'abort')); // The reader may be gone already.
      await page.close();
    });
}
