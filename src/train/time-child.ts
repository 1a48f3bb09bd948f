/** `timing.ts` runs this: it prints the milliseconds of one image through a network with drawn weights. */
import { randomBytes } from 'node:crypto';
import { addon } from '../native/addon.js';
import { imagenetNormalisation } from '../options/networks.js';
import { median } from '../system/statistics.js';

const [warmUps, calls] = [10, 50];
const { network, size } = JSON.parse(process.argv[2] as string);
const { Network, initialise } = addon();
const weights = initialise(network, 1);
const subject = new Network({
  network,
  weights,
  normalisation: imagenetNormalisation,
  size,
  device: 'cpu',
  threads: 1,
});
const pixels = randomBytes(size * size * 3);
const times: number[] = [];
for (let call = 0; call < warmUps + calls; call++) {
  const before = performance.now();
  await subject.infer(pixels, false);
  times.push(performance.now() - before);
}
// The parent process may have been killed.
process.stdout.on('error', () => process.exit(1));
process.stdout.write(String(median(times.slice(warmUps))));
