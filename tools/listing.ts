#!/usr/bin/env node
/**
 * `npx tsx tools/listing.ts [IMAGES]`: generates a tree of empty files in ImageNet's layout, and measures what a run does
 * with it before it decodes an image, in a process of its own: time, and memory for each file.
 */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { table } from '../src/cli/table.js';
import { fingerprint, loadData } from '../src/data/load.js';
import { divide } from '../src/data/split.js';
import { formatSplit } from '../src/data/split-file.js';
import { peakOfProcess } from '../src/system/limits.js';
import { sum } from '../src/system/statistics.js';

/** ImageNet has this many classes, and about a twenty-sixth of its labelled images are for the test. */
const [maxClasses, perTest] = [1000, 26];
const script = fileURLToPath(import.meta.url);

/** Lists a data set as a run does: the seconds of each part, and the process's peak memory, before and after. */
async function list(data: string) {
  const beforeBytes = peakOfProcess();
  const times = [performance.now()];
  const dataset = await loadData({ data, drawTest: true });
  times.push(performance.now());
  await fingerprint(dataset);
  times.push(performance.now());
  const { division } = divide(dataset, { data, validation: 0.1, seed: 0 });
  hash('sha256', formatSplit(division));
  times.push(performance.now());
  const seconds = times.slice(1).map((time, k) => (time - (times[k] as number)) / 1000);
  return { seconds, peakBytes: peakOfProcess(), beforeBytes };
}

export async function benchListing(images: number) {
  const folder = mkdtempSync(join(tmpdir(), 'l2t-listing-'));
  try {
    const classes = Math.max(2, Math.min(maxClasses, Math.floor(images / (2 * perTest))));
    for (let label = 0; label < classes; label++) {
      const id = `n${String(1_440_764 + 37 * label).padStart(8, '0')}`;
      for (const split of ['train', 'val']) mkdirSync(join(folder, split, id), { recursive: true });
      for (let image = label; image < images; image += classes) {
        const count = Math.floor(image / classes);
        const test = join('val', id, `ILSVRC2012_val_${String(image).padStart(8, '0')}.JPEG`);
        writeFileSync(join(folder, count % perTest === 0 ? test : join('train', id, `${id}_${count}.JPEG`)), '');
      }
    }
    // In a process of its own, which has the loader of TypeScript.
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, folder]);
    const { seconds, peakBytes, beforeBytes } = JSON.parse(stdout) as Awaited<ReturnType<typeof list>>;
    return { images, classes, seconds, peakBytes, bytesPerImage: (peakBytes - beforeBytes) / images };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, program, argument = '1300000'] = process.argv;
if (program === script && Number.isNaN(Number(argument))) process.stdout.write(JSON.stringify(await list(argument)));
else if (program === script) {
  const { images, classes, seconds, peakBytes, bytesPerImage } = await benchListing(Number(argument));
  const parts = ['reading the folders', "fingerprint: every file's size", 'dividing, and writing the split', 'all'];
  const rows = [...seconds, sum(seconds)].map((time, k) => [parts[k] ?? '', time.toFixed(1)]);
  console.log(`${images.toLocaleString('en')} files in ${classes} classes, in the layout of ImageNet`);
  console.log(table(['part', 's'], rows));
  console.log(`at most ${(peakBytes / 2 ** 20).toFixed(0)} MiB; ${bytesPerImage.toFixed(0)} bytes a file`);
}
