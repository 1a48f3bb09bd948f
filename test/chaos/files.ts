import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Part } from './campaign.js';
import { Child, Children } from './children.js';
import { writeBases } from './damage/bases.js';
import type { FilesAnswer, FilesJob } from './files-child.js';

/** A folder in memory, if there is one: each try writes a file, and reading a run syncs its files. */
const fastFolder = (otherwise: string): string => (existsSync('/dev/shm') ? '/dev/shm' : otherwise);

/** The most seconds that a small file may take. */
const patience = 10;

export const files: Part = {
  name: 'files',
  description: 'a damaged file is read',
  perHour: 100_000,
  missing: () => (existsSync('/proc/self/clear_refs') ? undefined : 'there is no /proc to measure memory with'),
  async run(context) {
    const folder = mkdtempSync(join(fastFolder(context.folder), 'l2t-chaos-files-'));
    const lanes = availableParallelism();
    try {
      const bases = join(folder, 'bases');
      await writeBases(bases);
      const children = new Children<FilesJob, FilesAnswer>(lanes, (lane) => {
        const own = join(folder, `child-${lane}`);
        mkdirSync(own);
        return new Child('files-child.ts', { folder: own, args: [bases], patience });
      });
      try {
        await children.start();
        await context.each(async (k, random) => {
          const { answer, ended, printed, folder: own } = await children.ask({ seed: random.below(2 ** 32) });
          const what = answer?.what ?? readFileSync(join(own, 'doing'), 'utf8');
          context.tried(what.slice(0, what.indexOf(':')));
          if (ended) context.find(`${what}: ${ended}: ${printed}`, k);
          else if (printed !== '') context.find(`${what}: it printed ${printed}`, k);
          if (answer?.find) context.find(`${what}: ${answer.find}`, k);
          if (answer) {
            context.figure('most memory, MiB', answer.grown / 2 ** 20);
            context.figure('longest, ms', answer.milliseconds);
          }
        }, lanes);
      } finally {
        const printed = await children.end();
        if (printed !== '') context.find(`at their end the processes printed ${printed}`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
