import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Part, Try } from './campaign.js';
import { type Ended, how, isOrderly } from './processes.js';
import { differences, makeWorkloads, type Workload } from './workloads.js';

const { ENOSPC, EIO, EROFS, EACCES, EDQUOT, EMFILE } = constants.errno;

/**
 * The calls that fault.c counts, in its order, and the errors that each may meet in practice. `+`: all later calls fail
 * as well, as on a disk that stays full.
 */
const faultsOf = {
  write: [`${ENOSPC}`, `${ENOSPC}+`, `${EIO}`, `${EDQUOT}+`],
  fsync: [`${EIO}`, `${ENOSPC}`],
  rename: [`${EIO}`, `${EROFS}+`],
  open: [`${EACCES}`, `${EROFS}+`, `${EMFILE}`, `${ENOSPC}`],
  read: [`${EIO}`, `${EIO}+`],
  link: [`${EROFS}+`, `${EIO}`],
  unlink: [`${EIO}`, `${EROFS}+`],
  mkdir: [`${ENOSPC}`, `${EACCES}`, `${EROFS}+`],
} as const;
type Operation = keyof typeof faultsOf;
const operations = Object.keys(faultsOf) as Operation[];
/** The calls that change what another process sees. */
const saving: readonly Operation[] = ['rename', 'fsync', 'link', 'unlink', 'mkdir', 'open'];

/** A workload, and its files, calls and seconds without disturbance. */
interface Measured {
  readonly workload: Workload;
  readonly outcome: Readonly<Record<string, string>>;
  readonly counts: Readonly<Record<Operation, number>>;
  readonly seconds: number;
}

/** What happens to a workload: SIGKILL after so many milliseconds, or a fault, such as "write:3:28+" (fault.c). */
interface Disturbance {
  readonly what: number | string;
  readonly kind: (ended: Ended) => string;
  /** May it end like this? */
  readonly allowed: (ended: Ended) => boolean;
}

/** Runs a workload in which a fault occurs on the files in `folder`; `counts`: the file in which calls are counted. */
const withFault = (workload: Workload, folder: string, counts: string, fault = '') => {
  const library = join(dirname(counts), 'fault.so');
  const env = { LD_PRELOAD: library, L2T_FAULT_BELOW: folder, L2T_FAULT_COUNTS: counts, L2T_FAULT: fault };
  return workload.run(folder, { env });
};

const killedAfter = (workload: Workload, folder: string, milliseconds: number) =>
  workload.run(folder, { meanwhile: (child) => void setTimeout(() => child.kill('SIGKILL'), milliseconds) });

async function measured(workload: Workload, folder: string): Promise<Measured> {
  const [undisturbed, file] = ['undisturbed', 'counts'].map((name) => join(folder, `${name}-${workload.name}`)) as [
    string,
    string,
  ];
  mkdirSync(undisturbed);
  const ended = await withFault(workload, undisturbed, file);
  if (ended.code !== 0) throw new Error(`${workload.name}, undisturbed: ${how(ended)}`);
  const counts = operations.map((name, k) => [name, Number(readFileSync(file).readBigUInt64LE(8 * k))]);
  return {
    workload,
    outcome: workload.outcome(undisturbed),
    seconds: ended.seconds,
    counts: Object.fromEntries(counts),
  };
}

/** Work is disturbed and then continued: the files must be those of undisturbed work, and no others. */
const interrupted = (
  about: Pick<Part, 'name' | 'description' | 'perHour'>,
  choose: (attempt: Try, all: readonly Measured[]) => readonly [Measured, ...Disturbance[]],
): Part => ({
  ...about,
  missing: () => (spawnSync('g++', ['--version']).status === 0 ? undefined : 'g++ is missing'),
  async open(_shared, folder) {
    const source = fileURLToPath(new URL('fault.c', import.meta.url));
    execFileSync('g++', ['-x', 'c', '-shared', '-fPIC', '-O1', '-o', join(folder, 'fault.so'), source, '-ldl']);
    const all: Measured[] = [];
    for (const workload of await makeWorkloads(folder)) all.push(await measured(workload, folder));
    return async (attempt) => {
      const [{ workload, outcome }, ...disturbances] = choose(attempt, all);
      const counts = join(folder, `counts-${attempt.k}`);
      const finds = (problems: readonly string[]) => problems.map((problem) => attempt.find(problem));
      for (const [k, { what, kind, allowed }] of disturbances.entries()) {
        attempt.doing(`${workload.name}: after ${disturbances.slice(0, k + 1).map((each) => each.what)}`);
        const ended = await (typeof what === 'number'
          ? killedAfter(workload, attempt.folder, what)
          : withFault(workload, attempt.folder, counts, what));
        attempt.tried(kind(ended));
        if (!allowed(ended)) attempt.find(how(ended));
        finds(await workload.damage(attempt.folder));
      }
      const ended = await workload.run(attempt.folder);
      attempt.doing(`${attempt.what}, resumed`);
      if (ended.code !== 0) attempt.find(how(ended));
      else finds(differences(outcome, workload.outcome(attempt.folder)));
    };
  },
});

const inTurn = ({ k }: Try, all: readonly Measured[]): Measured => all[k % all.length] as Measured;
const killedOrDone = ({ signal, code }: Ended): boolean => signal === 'SIGKILL' || code === 0;

/** SIGKILL at random moments, up to three times in one run. */
export const kills = interrupted(
  { name: 'kills', description: 'SIGKILL at random moments, then resumed', perHour: 180 },
  (attempt, all) => {
    const chosen = inTurn(attempt, all);
    // From before the program is loaded to a little beyond its usual end.
    const moments = Array.from(
      { length: attempt.draw.between(1, 3) },
      () => attempt.draw.uniform() * 1100 * chosen.seconds,
    );
    return [chosen, ...moments.map((what) => ({ what, kind: () => chosen.workload.name, allowed: killedOrDone }))];
  },
);

export const killsAtSaves = interrupted(
  {
    name: 'kills-at-saves',
    description: 'SIGKILL just before a rename, fsync, link, unlink, mkdir or open, then resumed',
    perHour: 360,
  },
  (attempt, all) => {
    const points = all.flatMap((chosen) =>
      saving.flatMap((operation) =>
        Array.from({ length: chosen.counts[operation] }, (_, n) => ({ chosen, operation, n })),
      ),
    );
    attempt.figure('points', points.length);
    const { chosen, operation, n } = attempt.draw.pick(points);
    // The number of timed saves differs from run to run, so the n-th call may never come.
    const kind = ({ signal }: Ended) => (signal === 'SIGKILL' ? `${chosen.workload.name} ${operation}` : 'not reached');
    return [chosen, { what: `${operation}:${n + 1}:kill`, kind, allowed: killedOrDone }];
  },
);

/** A call on the run's files fails: the program must end with a message, and a resume must work once the disk does. */
export const disk = interrupted(
  { name: 'disk', description: 'a file call that fails or waits, then resumed on a sound disk', perHour: 300 },
  (attempt, all) => {
    const { draw } = attempt;
    const chosen = inTurn(attempt, all);
    const operation = draw.pick(operations.filter((name) => chosen.counts[name] > 0));
    const waits = draw.once(12);
    const n = draw.between(1, chosen.counts[operation]);
    const what = waits ? `${operation}:1:wait1` : `${operation}:${n}:${draw.pick<string>(faultsOf[operation])}`;
    const kind = () => `${chosen.workload.name} ${operation}`;
    return [chosen, { what, kind, allowed: waits ? ({ code }: Ended) => code === 0 : isOrderly }];
  },
);
