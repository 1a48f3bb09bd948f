import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Part } from './campaign.js';
import { Child, Children } from './children.js';
import type { EntriesAnswer, EntriesJob } from './entries-child.js';

/** The most seconds that a call of a tiny job may take. */
const patience = 10;

/**
 * With L2T_NATIVE_BUILD=build-asan and its libraries preloaded (.ci/test-asan.ts), it finds reads beyond buffers,
 * too.
 */
export const entries: Part = {
  name: 'entries',
  description: "one of the addon's functions is called with wrong arguments, or in a wrong order",
  perHour: 50_000,
  async run(context) {
    const lanes = availableParallelism();
    const children = new Children<EntriesJob, EntriesAnswer>(lanes, (lane) => {
      const folder = join(context.folder, `child-${lane}`);
      mkdirSync(folder);
      return new Child('entries-child.ts', { folder, execArgv: ['--expose-gc'], patience });
    });
    try {
      await children.start();
      await context.each(async (k, random) => {
        const { answer, ended, printed, folder } = await children.ask({ seed: random.below(2 ** 32) });
        const what = answer?.what ?? readFileSync(join(folder, 'doing'), 'utf8');
        context.tried((/^\w+/.exec(what) as RegExpExecArray)[0]);
        if (ended) context.find(`${what}: ${ended}: ${printed}`, k);
        else if (printed !== '') context.find(`${what}: it printed ${printed}`, k);
        if (answer?.find) context.find(`${what}: ${answer.find}`, k);
      }, lanes);
    } finally {
      const printed = await children.end();
      if (printed !== '') context.find(`at their end the processes printed ${printed}`);
    }
  },
};
