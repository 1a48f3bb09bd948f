import { join } from 'node:path';
import type { SavedEpoch } from '../../store/run-store.js';
import { csvLine } from '../../system/csv.js';
import { writeFileAtomic } from '../../system/files.js';
import { type LogKind, numbersOf } from './log.js';

const name = 'metrics.csv';

/** metrics.csv: a line an epoch, with every number of metrics.jsonl and the speed of timing.jsonl. */
export const csv: LogKind = {
  async open(folder, done) {
    const epochs = [...done];
    // Whole and atomically, as metrics.jsonl.
    const save = () => writeFileAtomic(join(folder, name), linesOf(epochs));
    if (epochs.length > 0) await save();
    return {
      async epoch(epoch) {
        epochs.push(epoch);
        await save();
      },
      async end() {},
    };
  },
};

/** The columns are those of an epoch that has all: a validated one. */
function linesOf(epochs: readonly SavedEpoch[]): string[] {
  const numbers = epochs.map(({ metrics }) => numbersOf(metrics));
  const columns = numbers
    .map((each) => [...each.keys()])
    .reduce((most, each) => (each.length > most.length ? each : most));
  const lines = epochs.map(({ metrics, timing: { seconds, imagesPerSecond } }, k) =>
    csvLine([metrics.epoch, ...columns.map((column) => numbers[k]?.get(column)), seconds, imagesPerSecond]),
  );
  return [csvLine(['epoch', ...columns, 'seconds', 'imagesPerSecond']), ...lines];
}
