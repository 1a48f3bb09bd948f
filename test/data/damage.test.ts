import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cifar10 } from '../../src/data/layouts/arrays.js';
import { Random } from '../../src/data/random.js';
import { splitNames } from '../../src/options/datasets.js';
import { filesBelow } from '../tiny.js';
import {
  decodeDataset,
  encode,
  failure,
  nearest,
  pattern,
  temporaryFolder,
  write,
  writeCifar,
  writeIdx,
} from './generate.js';

const options = { size: 32, resize: nearest };
const image = (format: 'png' | 'jpeg' | 'avif') => async (folder: string) =>
  write(join(folder, 'a', '1'), await encode(pattern(1), 32, 32, format));

/** [layout, writer, does the format notice every change (checksums)?] */
const cases: [string, (folder: string) => unknown, boolean][] = [
  ['CIFAR', (folder) => writeCifar(folder, cifar10), false],
  ['IDX', (folder) => writeIdx(folder), false],
  ['IDX.gz', (folder) => writeIdx(folder, { compressed: true }), true],
  ['PNG', image('png'), true],
  ['JPEG', image('jpeg'), false],
  ['AVIF', image('avif'), false],
];

const pathsBelow = (folder: string): string[] => filesBelow(folder).map((name) => join(folder, name));

/** What came of loading and decoding: the pixels and labels of sound data, or an error of the data. Anything else fails the test. */
async function load(folder: string): Promise<string | undefined> {
  let content: string | undefined;
  const error = await failure(
    decodeDataset(folder, options).then((data) => {
      const sets = splitNames.map((split) => data[split]);
      for (const set of sets) {
        if (set === undefined) continue;
        expect([set.pixels.length, set.labels.length]).toEqual([set.count * 3072, set.count]);
        expect(set.labels.every((label) => label >= 0 && label < data.classNames.length)).toBe(true);
      }
      const hash = createHash('sha256');
      for (const set of sets) if (set) hash.update(set.labels).update(set.pixels);
      content = hash.digest('hex');
    }),
  );
  if (error) expect(error.code).toBe('INVALID_DATA');
  return content;
}

describe.each(cases)('%s', (_layout, make, checked) => {
  it('500 flipped bits: sound data or a clear error', { timeout: 120_000 }, async () => {
    const folder = temporaryFolder();
    await make(folder);
    const original = await load(folder);
    expect(original).toBeDefined();
    const files = pathsBelow(folder);
    const random = new Random(1);
    for (let flip = 0; flip < 500; flip++) {
      const file = files[random.below(files.length)] as string;
      const bytes = readFileSync(file);
      const damaged = Buffer.from(bytes);
      const at = random.below(bytes.length);
      damaged[at] = (damaged[at] as number) ^ (1 << random.below(8));
      writeFileSync(file, damaged);
      const content = await load(folder);
      if (checked && content) expect(content, `${file}, byte ${at}`).toBe(original);
      writeFileSync(file, bytes);
    }
  });

  it('cut short anywhere: a clear error', async () => {
    const folder = temporaryFolder();
    await make(folder);
    const files = pathsBelow(folder).filter((file) => !file.endsWith('.txt'));
    const random = new Random(2);
    for (let cut = 0; cut < 200; cut++) {
      const file = files[random.below(files.length)] as string;
      const bytes = readFileSync(file);
      // A PNG without its last, empty chunk (12 bytes) is whole.
      writeFileSync(file, bytes.subarray(0, random.below(Math.max(1, bytes.length - 12))));
      expect(await load(folder), `${file} cut`).toBeUndefined();
      writeFileSync(file, bytes);
    }
  });
});
