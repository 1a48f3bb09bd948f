import { join } from 'node:path';
import type { Part } from './campaign.js';
import { Faults, missingCompiler, type Operation } from './faults.js';
import { how } from './process.js';
import { finish, type Prepared, prepare, prepareCounted } from './workloads.js';

/** SIGKILL at random moments, up to three times in one run. */
export const kills: Part = {
  name: 'kills',
  description: 'SIGKILL at random moments, then resumed',
  perHour: 180,
  missing: missingCompiler,
  run: async (context) => {
    const all = await prepare(context);
    await context.each(async (k, random, folder) => {
      const prepared = all[k % all.length] as Prepared;
      const { workload, seconds } = prepared;
      const moments: string[] = [];
      for (let round = 1 + random.below(3); round > 0; round--) {
        // From before the program is loaded to a little beyond its usual end.
        const moment = 1000 * seconds * 1.1 * (random.below(1000) / 1000);
        let timer: NodeJS.Timeout | undefined;
        const ended = await workload.run(folder, {
          meanwhile: (child) => {
            timer = setTimeout(() => child.kill('SIGKILL'), moment);
          },
        });
        clearTimeout(timer);
        moments.push(`${(moment / 1000).toFixed(2)} s`);
        if (ended.signal !== 'SIGKILL' && ended.code !== 0)
          context.find(`${workload.name}, after kills at ${moments.join(', ')}: ${how(ended)}`, k);
        context.tried(workload.name);
        for (const problem of await workload.damage(folder))
          context.find(`${workload.name}, killed at ${moments.join(', ')}: ${problem}`, k);
      }
      await finish(context, k, prepared, folder, `kills at ${moments.join(', ')}`);
    }, 2);
  },
};

/** The calls that change what another process sees. */
const saving: readonly Operation[] = ['rename', 'fsync', 'link', 'unlink', 'mkdir', 'open'];

/** SIGKILL just before the n-th rename, fsync, …, with another n for each try. */
export const killsAtSaves: Part = {
  name: 'kills-at-saves',
  description: 'SIGKILL just before a rename, fsync, link, unlink, mkdir or open, then resumed',
  perHour: 360,
  missing: missingCompiler,
  run: async (context) => {
    const faults = new Faults(context.folder);
    const all = await prepareCounted(context, faults);
    // Every call of every kind, shuffled by the seed, so that a short campaign is a sample of the long one.
    const points = all.flatMap((prepared) =>
      saving.flatMap((operation) => {
        return Array.from({ length: prepared.counts[operation] }, (_, n) => ({ prepared, operation, n: n + 1 }));
      }),
    );
    context.figure('points', points.length);
    const order = points.map((_, k) => k);
    context.randomOf(-1).shuffle(order);
    await context.each(async (k, _random, folder) => {
      const { prepared, operation, n } = points[order[k % order.length] as number] as (typeof points)[number];
      const fault = `${operation}:${n}:kill`;
      const ended = await prepared.workload.run(folder, {
        env: faults.environment(folder, join(context.folder, `counts-${k}`), fault),
      });
      // The number of timed saves differs from run to run, so the n-th call may never come.
      const reached = ended.signal === 'SIGKILL';
      context.tried(reached ? `${prepared.workload.name} ${operation}` : 'not reached');
      if (!reached && ended.code !== 0) context.find(`${prepared.workload.name}, ${fault}: ${how(ended)}`, k);
      await finish(context, k, prepared, folder, fault);
    }, 2);
  },
};
