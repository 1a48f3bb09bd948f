import { join } from 'node:path';
import type { EpochMetrics } from '../../native/addon.js';
import { isOfLogs, type LogName } from '../../options/logs.js';
import type { FinishedResult } from '../../store/run-data.js';
import type { SavedEpoch } from '../../store/run-store.js';
import { appendToFile, listFolder, writeFileAtomic } from '../../system/files.js';
import { csvLine } from '../../system/printable.js';
import { events, lambdaMaps, scalar } from './tensorboard.js';

/** A log that is being written. Each function has its data on disk when its promise resolves. */
export interface Log {
  /** Adds an epoch. The state that a resume continues from is written after this. */
  epoch(epoch: SavedEpoch): Promise<void>;
  /** Adds the end of a finished run. After a crash at the very end, the resume may call this again. */
  end?(result: FinishedResult): Promise<void>;
}

/**
 * Begins the log of a new run in its folder, or continues it after the epochs `done`: later epochs must go from the
 * files, since the resumed run does them again. A log never changes the run's result.
 * @throws L2TError FILE_ACCESS, as do the log's functions.
 */
type OpenLog = (folder: string, done: readonly SavedEpoch[]) => Promise<Log>;

/** The kinds of logs, by the names that `--log` takes. */
const kinds: Readonly<Record<LogName, OpenLog>> = { csv, tensorboard };

/** Opens the logs of a run in the order of `names`; `done` are the epochs that it has saved. */
export async function openLogs(names: readonly LogName[], ...run: Parameters<OpenLog>): Promise<Log[]> {
  const logs: Log[] = [];
  for (const name of names) logs.push(await kinds[name](...run));
  return logs;
}

/**
 * Returns every number of a line of metrics.jsonl but the epoch, by its path there: `lr`, `losses/org`,
 * `trainAccuracy`; those of a pair end with its source and its features, as in `lambdaMean/0/4-1`. All epochs of a run
 * have the same names, in the same order; those that are not validated lack two.
 */
function numbersOf({ epoch: _, losses, pairs, ...single }: EpochMetrics): Map<string, number> {
  return new Map([
    ...Object.entries(single),
    ...Object.entries(losses).map(([term, loss]) => [`losses/${term}`, loss] as const),
    ...pairs.flatMap(({ source, pair, ...learned }) =>
      Object.entries(learned).map(([name, value]) => [`${name}/${source}/${pair.join('-')}`, value] as const),
    ),
  ]);
}

/** Opens metrics.csv: a line an epoch, with every number of metrics.jsonl and the speed of timing.jsonl. */
async function csv(folder: string, done: readonly SavedEpoch[]): Promise<Log> {
  const epochs = [...done];
  // The file is written whole and atomically, as metrics.jsonl.
  const save = () => writeFileAtomic(join(folder, 'metrics.csv'), csvLines(epochs));
  if (epochs.length > 0) await save();
  return {
    async epoch(epoch) {
      epochs.push(epoch);
      await save();
    },
  };
}

/** Returns the lines, with the columns of a validated epoch, which has all. */
function csvLines(epochs: readonly SavedEpoch[]): string[] {
  const numbers = epochs.map(({ metrics }) => numbersOf(metrics));
  const columns = numbers
    .map((each) => [...each.keys()])
    .reduce((longest, each) => (each.length > longest.length ? each : longest));
  const lines = epochs.map(({ metrics, timing: { seconds, imagesPerSecond } }, k) =>
    csvLine([metrics.epoch, ...columns.map((column) => numbers[k]?.get(column)), seconds, imagesPerSecond]),
  );
  return [csvLine(['epoch', ...columns, 'seconds', 'imagesPerSecond']), ...lines];
}

/** Opens events.out.tfevents.… for TensorBoard. A resume adds a file, which tells it what to drop of the older ones. */
async function tensorboard(folder: string, done: readonly SavedEpoch[]): Promise<Log> {
  const older = (await listFolder(folder)).filter((name) => isOfLogs(['tensorboard'], name));
  // TensorBoard reads the files in the order of their names, whatever the clock says.
  const seconds = Math.max(Math.floor(Date.now() / 1000), ...older.map((name) => Number(name.split('.')[3]) + 1));
  const file = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.l2t-native`);
  const event = await events();
  // The start of a session makes TensorBoard drop the next epoch and later ones of the older files.
  const start = older.length > 0 ? [event(done.length, { session_log: { status: 'START' } })] : [];
  await appendToFile(file, Buffer.concat([event(0, { file_version: 'brain.Event:2' }), ...start]));
  return {
    async epoch({ metrics }) {
      const value = [...[...numbersOf(metrics)].map(scalar), ...(await lambdaMaps(metrics.pairs))];
      await appendToFile(file, event(metrics.epoch, { summary: { value } }));
    },
    async end({ accuracy, best }) {
      if (accuracy === null) return;
      await appendToFile(file, event(best.epoch, { summary: { value: [scalar(['testAccuracy', accuracy])] } }));
    },
  };
}
