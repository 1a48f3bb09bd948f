import { constants } from 'node:os';
import { join } from 'node:path';
import type { Part } from './campaign.js';
import { Faults, missingCompiler, type Operation, operations } from './faults.js';
import { how, isOrderly } from './process.js';
import { differences, makeWorkloads, reference } from './workloads.js';

const { ENOSPC, EIO, EROFS, EACCES, EDQUOT, EMFILE } = constants.errno;

/** What befalls each call in the wild. `+`: it and all that follow, as on a disk that stays full. */
const faultsOf: Readonly<Record<Operation, readonly string[]>> = {
  write: [`${ENOSPC}`, `${ENOSPC}+`, `${EIO}`, `${EDQUOT}+`],
  fsync: [`${EIO}`, `${ENOSPC}`],
  rename: [`${EIO}`, `${EROFS}+`],
  open: [`${EACCES}`, `${EROFS}+`, `${EMFILE}`, `${ENOSPC}`],
  read: [`${EIO}`, `${EIO}+`],
  link: [`${EROFS}+`, `${EIO}`],
  unlink: [`${EIO}`, `${EROFS}+`],
  mkdir: [`${ENOSPC}`, `${EACCES}`, `${EROFS}+`],
};

async function inTurn<T, U>(values: readonly T[], body: (value: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (const value of values) results.push(await body(value));
  return results;
}

/** A call on the run's files fails: the program ends with a sentence, and goes on when the disk is well again. */
export const disk: Part = {
  name: 'disk',
  description: 'a file call that fails or waits, then resumed on a sound disk',
  perHour: 300,
  missing: missingCompiler,
  run: async (context) => {
    const faults = new Faults(context.folder);
    const workloads = await makeWorkloads(context.folder);
    const prepared = await inTurn(workloads, async (workload) => {
      const folder = join(context.folder, `counted-${workload.name}`);
      let undisturbed: Awaited<ReturnType<typeof reference>> | undefined;
      const counts = await faults.count(folder, async (env) => {
        undisturbed = await reference({ ...workload, run: (at) => workload.run(at, { env }) }, folder);
      });
      const used = operations.filter((operation) => counts[operation] > 0);
      return { workload, counts, used, outcome: undisturbed?.outcome ?? {} };
    });
    await context.each(async (k, random, folder) => {
      const { workload, counts, used, outcome } = prepared[k % prepared.length] as (typeof prepared)[number];
      const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
      const operation = pick(used);
      const action = random.below(12) === 0 ? 'wait1' : pick(faultsOf[operation]);
      const fault = `${operation}:${action === 'wait1' ? 1 : 1 + random.below(counts[operation])}:${action}`;
      const ended = await workload.run(folder, {
        env: faults.environment(folder, join(context.folder, `counts-${k}`), fault),
      });
      context.tried(`${workload.name} ${operation}`);
      const said = `${workload.name}, ${fault}`;
      if (!isOrderly(ended)) context.find(`${said}: ${how(ended)}`, k);
      if (action === 'wait1' && ended.code !== 0) context.find(`${said}, a slow disk: ${how(ended)}`, k);
      for (const problem of await workload.damage(folder)) context.find(`${said}: ${problem}`, k);
      const resumed = await workload.run(folder);
      if (resumed.code !== 0) return context.find(`${said}, resumed: ${how(resumed)}`, k);
      const differing = differences(outcome, workload.outcome(folder));
      if (differing.length > 0) context.find(`${said}, resumed: ${differing.join('; ')}`, k);
    }, 2);
  },
};
