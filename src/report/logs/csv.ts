import { join } from 'node:path';
import { csvLine } from '../../system/csv.js';
import { writeFileAtomic } from '../../system/files.js';
import type { Log, LoggedEpoch, LogKind } from './log.js';
import { numbersOf } from './numbers.js';

const name = 'metrics.csv';

/** metrics.csv: a line an epoch, with every number of metrics.jsonl and the speed of timing.jsonl. */
export const csv: LogKind = {
  owns: (file) => file === name,
  async open({ folder }, done) {
    const table = new Table(join(folder, name));
    for (const epoch of done) table.add(epoch);
    if (done.length > 0) await table.save();
    return table;
  },
};

class Table implements Log {
  /** The columns of numbers: those of the first epoch, since all epochs have the same. */
  #numbers: readonly string[] = [];
  readonly #lines: string[] = [];

  constructor(private readonly path: string) {}

  add({ metrics, timing: { seconds, imagesPerSecond } }: LoggedEpoch): void {
    const numbers = numbersOf(metrics);
    if (this.#lines.length === 0) {
      this.#numbers = [...numbers.keys()];
      this.#lines.push(csvLine(['epoch', ...this.#numbers, 'seconds', 'imagesPerSecond']));
    }
    const values = this.#numbers.map((column) => numbers.get(column));
    this.#lines.push(csvLine([metrics.epoch, ...values, seconds, imagesPerSecond]));
  }

  /** Whole and atomically, as metrics.jsonl. */
  async save(): Promise<void> {
    await writeFileAtomic(this.path, this.#lines);
  }

  async epoch(epoch: LoggedEpoch): Promise<void> {
    this.add(epoch);
    await this.save();
  }

  async end(): Promise<void> {}
}
