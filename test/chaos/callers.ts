import { mkdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { tinyData } from '../tiny.js';
import type { CallersAnswer, CallersJob } from './callers-child.js';
import type { Part } from './campaign.js';
import { Child, Children } from './children.js';

/** The most seconds that a call may take: the longest trains for an epoch. */
const patience = 30;

export const callers: Part = {
  name: 'callers',
  description: 'what the caller gave changes while the call goes on: weights, images, the working directory',
  perHour: 3000,
  async run(context) {
    const lanes = availableParallelism();
    const data = tinyData(4);
    const children = new Children<CallersJob, CallersAnswer>(lanes, (lane) => {
      const folder = join(context.folder, `child-${lane}`);
      mkdirSync(folder);
      return new Child('callers-child.ts', { folder, args: [data], patience });
    });
    try {
      await children.start();
      await context.each(async (k, random) => {
        const { answer, ended, printed, folder } = await children.ask({ seed: random.below(2 ** 32) });
        const what = answer?.what ?? readFileSync(join(folder, 'doing'), 'utf8');
        context.tried(what.slice(0, what.indexOf(':')));
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
