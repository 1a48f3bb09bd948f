import { hash } from 'node:crypto';
import { fingerprint, loadData } from '../data/load.js';
/**
 * `benchListing` runs this in a process of its own: `listing-process.js FOLDER` lists the data set in the folder as a run
 * does, and prints, as JSON, how long each part took and the process's peak memory, before and after, in bytes.
 */
import { divide } from '../data/split.js';
import { formatSplit } from '../data/split-file.js';
import type { ListingMeasured } from './listing.js';
import { peakOfProcess } from './process.js';

const [data = ''] = process.argv.slice(2);

const beforeBytes = peakOfProcess();
const times = [performance.now()];
const dataset = await loadData({ data, drawTest: true });
times.push(performance.now());
await fingerprint(dataset);
times.push(performance.now());
const { division } = divide(dataset, { data, validation: 0.1, seed: 0 });
hash('sha256', formatSplit(division));
times.push(performance.now());
const [list = 0, hashed = 0, split = 0] = times.slice(1).map((time, k) => (time - (times[k] as number)) / 1000);
const measured: ListingMeasured = {
  seconds: { list, fingerprint: hashed, split },
  peakBytes: peakOfProcess(),
  beforeBytes,
};
process.stdout.write(JSON.stringify(measured));
