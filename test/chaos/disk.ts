import { constants } from 'node:os';
import { join } from 'node:path';
import type { Part } from './campaign.js';
import { Faults, missingCompiler, type Operation, operations } from './faults.js';
import { how, isOrderly } from './process.js';
import { type Counted, finish, prepareCounted } from './workloads.js';

const { ENOSPC, EIO, EROFS, EACCES, EDQUOT, EMFILE } = constants.errno;

/** The errors that each call may meet in practice. `+`: all later calls fail as well, as on a disk that stays full. */
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

/** A call on the run's files fails: the program must end with a message, and a resume must work once the disk does. */
export const disk: Part = {
  name: 'disk',
  description: 'a file call that fails or waits, then resumed on a sound disk',
  perHour: 300,
  missing: missingCompiler,
  run: async (context) => {
    const faults = new Faults(context.folder);
    const all = await prepareCounted(context, faults);
    await context.each(async (k, random, folder) => {
      const prepared = all[k % all.length] as Counted;
      const { workload, counts } = prepared;
      const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
      const operation = pick(operations.filter((name) => counts[name] > 0));
      const action = random.below(12) === 0 ? 'wait1' : pick(faultsOf[operation]);
      const fault = `${operation}:${action === 'wait1' ? 1 : 1 + random.below(counts[operation])}:${action}`;
      const ended = await workload.run(folder, {
        env: faults.environment(folder, join(context.folder, `counts-${k}`), fault),
      });
      context.tried(`${workload.name} ${operation}`);
      const said = `${workload.name}, ${fault}`;
      if (!isOrderly(ended)) context.find(`${said}: ${how(ended)}`, k);
      if (action === 'wait1' && ended.code !== 0) context.find(`${said}, a slow disk: ${how(ended)}`, k);
      await finish(context, k, prepared, folder, fault);
    }, 2);
  },
};
