import { hash } from 'node:crypto';
/**
 * `benchListing` runs this in a process of its own: `listing-process.js FOLDER` lists the data set in the folder as a run
 * does, and prints, as JSON, how long each part took and the process's peak memory, before and after, in bytes.
 */
import { divide } from '../data/divide.js';
import { fingerprint } from '../data/fingerprint.js';
import { loadData } from '../data/load.js';
import { formatSplit } from '../data/split-file.js';
import { readSystem } from '../system/limits.js';
import type { ListingMeasured } from './listing.js';

const [data = ''] = process.argv.slice(2);
const peak = (): number => 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readSystem('/proc/self/status'))?.[1]);

let last = performance.now();
function lap(): number {
  const [before, now] = [last, performance.now()];
  last = now;
  return (now - before) / 1000;
}

const beforeBytes = peak();
lap();
const dataset = await loadData({ data, drawTest: true });
const list = lap();
await fingerprint(dataset);
const hashed = lap();
const { division } = divide(dataset, { data, validation: 0.1, seed: 0 });
hash('sha256', formatSplit(division));
const measured: ListingMeasured = {
  seconds: { list, fingerprint: hashed, split: lap() },
  peakBytes: peak(),
  beforeBytes,
};
process.stdout.write(JSON.stringify(measured));
