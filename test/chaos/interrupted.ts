import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Outcome } from '../tiny.js';
import type { Part, Try } from './campaign.js';
import { how, isOrderly } from './processes.js';
import { differences, type Files, type Given, makeGiven, type Workload, workloads } from './workloads.js';

const { ENOSPC, EIO, EROFS, EACCES, EDQUOT, EMFILE } = constants.errno;

/** The calls that fault.c counts, in its order, and the errors that each may meet. `+`: all later calls fail as well. */
const faults = {
  write: [`${ENOSPC}`, `${ENOSPC}+`, `${EIO}`, `${EDQUOT}+`],
  fsync: [`${EIO}`, `${ENOSPC}`],
  rename: [`${EIO}`, `${EROFS}+`],
  open: [`${EACCES}`, `${EROFS}+`, `${EMFILE}`, `${ENOSPC}`],
  read: [`${EIO}`, `${EIO}+`],
  link: [`${EROFS}+`, `${EIO}`],
  unlink: [`${EIO}`, `${EROFS}+`],
  mkdir: [`${ENOSPC}`, `${EACCES}`, `${EROFS}+`],
};
type Operation = keyof typeof faults;
const operations = Object.keys(faults) as Operation[];
/** The calls that change what another process sees. */
const saving: readonly Operation[] = ['rename', 'fsync', 'link', 'unlink', 'mkdir', 'open'];

/** The files, calls and seconds of a workload that nothing disturbs. */
type Undisturbed = Readonly<{ name: string; files: Files; counts: Record<Operation, number>; seconds: number }>;

type Judge<T> = (ended: Outcome) => T;
/** SIGKILL after so many milliseconds, or a fault such as "write:3:28+" (fault.c), and how the process may end. */
type Disturbance = Readonly<{ what: number | string; kind?: Judge<string>; allowed?: Judge<boolean> }>;

/** Runs a workload with a fault on the files in `folder`. `counts`: the file in which its calls are counted. */
const withFault = (workload: Workload, folder: string, counts: string, fault: string) => {
  const library = join(dirname(counts), 'fault.so');
  const numbered = fault.replace(/^\w+/, (name) => `${operations.indexOf(name as Operation)}`);
  const env = { LD_PRELOAD: library, L2T_FAULT_BELOW: folder, L2T_FAULT_COUNTS: counts, L2T_FAULT: numbered };
  return workload.run(folder, { env });
};

/** Work is disturbed and then continued: the files must be those of undisturbed work, and no others. */
const interrupted = (
  name: string,
  perHour: number,
  choose: (attempt: Try, all: readonly Undisturbed[]) => readonly [Undisturbed, ...Disturbance[]],
): Part<{ folder: string; given: Given; all: readonly Undisturbed[] }> => ({
  ...{ name, perHour, module: import.meta.url },
  missing: () => (spawnSync('g++', ['--version']).status === 0 ? undefined : 'g++ is missing'),
  async prepare(folder) {
    const source = fileURLToPath(new URL('fault.c', import.meta.url));
    execFileSync('g++', ['-x', 'c', '-shared', '-fPIC', '-O1', '-o', join(folder, 'fault.so'), source, '-ldl']);
    const inputs = await makeGiven(folder);
    const all: Undisturbed[] = [];
    for (const workload of workloads(inputs)) {
      const [at, file] = [join(folder, workload.name), join(folder, `${workload.name}.counts`)];
      mkdirSync(at);
      const ended = await withFault(workload, at, file, '');
      if (ended.code !== 0) throw new Error(`${workload.name}, undisturbed: ${how(ended)}`);
      const counts = operations.map((operation, k) => [operation, Number(readFileSync(file).readBigUInt64LE(8 * k))]);
      const { name, files } = workload;
      all.push({ name, files: files(at), seconds: ended.seconds, counts: Object.fromEntries(counts) });
    }
    return { folder, given: inputs, all };
  },
  open:
    ({ folder, given, all }) =>
    async (attempt) => {
      const [chosen, ...disturbances] = choose(attempt, all);
      const workload = workloads(given).find(({ name }) => name === chosen.name) as Workload;
      const find = (problems: readonly string[]) => problems.map((problem) => attempt.find(problem));
      attempt.doing(`${chosen.name}: `);
      for (const { what, kind = () => chosen.name, allowed = killedOrDone } of disturbances) {
        attempt.doing(`${attempt.what}, ${what}`);
        const ended =
          typeof what === 'string'
            ? await withFault(workload, attempt.folder, join(folder, `counts-${attempt.k}`), what)
            : await workload.run(attempt.folder, { timeout: what, killSignal: 'SIGKILL' });
        attempt.tried(kind(ended));
        if (!allowed(ended)) attempt.find(how(ended));
        find(await workload.damage(attempt.folder));
      }
      const ended = await workload.run(attempt.folder);
      attempt.doing(`${attempt.what}, resumed`);
      find(ended.code === 0 ? differences(chosen.files, workload.files(attempt.folder)) : [how(ended)]);
    },
});

const inTurn = ({ k }: Try, all: readonly Undisturbed[]) => all[k % all.length] as Undisturbed;
const killedOrDone = ({ signal, code }: Outcome): boolean => signal === 'SIGKILL' || code === 0;

/** SIGKILL at random moments, up to three times in one run: from before it is loaded to a little beyond its usual end. */
export const kills = interrupted('kills', 180, (attempt, all) => {
  const chosen = inTurn(attempt, all);
  const moment = () => ({ what: 1 + attempt.draw.below(Math.ceil(1100 * chosen.seconds)) });
  return [chosen, ...Array.from({ length: attempt.draw.between(1, 3) }, moment)];
});

/** SIGKILL just before the n-th call. The number of timed saves differs from run to run, so it may never come. */
export const killsAtSaves = interrupted('kills-at-saves', 360, (attempt, all) => {
  const calls = all.flatMap((chosen) => saving.map((operation) => ({ chosen, operation })));
  const points = calls.flatMap((call) =>
    Array.from({ length: call.chosen.counts[call.operation] }, (_, n) => ({ ...call, n })),
  );
  attempt.figure('points', points.length);
  const { chosen, operation, n } = attempt.draw.pick(points);
  const kind = ({ signal }: Outcome) => (signal === 'SIGKILL' ? `${chosen.name} ${operation}` : 'not reached');
  return [chosen, { what: `${operation}:${n + 1}:kill`, kind }];
});

/** A call on the run's files fails: the program must end with a message, and a resume must work once the disk does. */
export const disk = interrupted('disk', 300, (attempt, all) => {
  const { draw } = attempt;
  const chosen = inTurn(attempt, all);
  const operation = draw.pick(operations.filter((name) => chosen.counts[name] > 0));
  const kind = () => `${chosen.name} ${operation}`;
  if (draw.once(12)) return [chosen, { what: `${operation}:1:wait1`, kind, allowed: ({ code }) => code === 0 }];
  const what = `${operation}:${draw.between(1, chosen.counts[operation])}:${draw.pick(faults[operation])}`;
  return [chosen, { what, kind, allowed: isOrderly }];
});
