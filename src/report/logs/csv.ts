import { join } from 'node:path';
import type { SavedEpoch } from '../../store/run-store.js';
import { csvLine } from '../../system/csv.js';
import { writeFileAtomic } from '../../system/files.js';
import type { Log, LogKind } from './log.js';
import { numbersOf } from './numbers.js';

const name = 'metrics.csv';

/** metrics.csv: a line an epoch, with every number of metrics.jsonl and the speed of timing.jsonl. */
export const csv: LogKind = {
  async open({ folder }, done) {
    const table = new Table(join(folder, name));
    for (const epoch of done) table.add(epoch);
    if (done.length > 0) await table.save();
    return table;
  },
};

class Table implements Log {
  readonly #epochs: SavedEpoch[] = [];

  constructor(private readonly path: string) {}

  add(epoch: SavedEpoch): void {
    this.#epochs.push(epoch);
  }

  /** Whole and atomically, as metrics.jsonl. The columns are those of an epoch that has all: a validated one. */
  async save(): Promise<void> {
    const numbers = this.#epochs.map(({ metrics }) => numbersOf(metrics));
    const columns = numbers
      .map((each) => [...each.keys()])
      .reduce((most, each) => (each.length > most.length ? each : most));
    const lines = this.#epochs.map(({ metrics, timing: { seconds, imagesPerSecond } }, k) =>
      csvLine([metrics.epoch, ...columns.map((column) => numbers[k]?.get(column)), seconds, imagesPerSecond]),
    );
    await writeFileAtomic(this.path, [csvLine(['epoch', ...columns, 'seconds', 'imagesPerSecond']), ...lines]);
  }

  async epoch(epoch: SavedEpoch): Promise<void> {
    this.add(epoch);
    await this.save();
  }

  async end(): Promise<void> {}
}
