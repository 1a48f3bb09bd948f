import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { checkData } from '../../src/index.js';
import { cli } from '../tiny.js';
import { encode, pattern, temporaryFolder, write, writeClasses } from './generate.js';

async function photos(): Promise<string> {
  const folder = temporaryFolder();
  await writeClasses(join(folder, 'train'), { a: 3, b: 2 });
  await writeClasses(join(folder, 'test'), { b: 1, a: 1 });
  write(join(folder, 'train', 'a', '3.jpg'), await encode(pattern(50, 40, 60), 40, 60, 'jpeg'));
  // The same picture as 1.png, as another format.
  write(join(folder, 'train', 'a', '4.webp'), await encode(pattern(1), 32, 32, 'webp'));
  return folder;
}

describe('data check', () => {
  it('counts, measures, and finds equal images', async () => {
    const data = await photos();
    const report = await checkData({ data });
    expect(report).toMatchObject({ layout: 'folder', classNames: ['a', 'b'], folds: 0, warnings: [] });
    const none = { turned: 0, damaged: [], repeated: 0 };
    const square = { min: 32, median: 32, max: 32 };
    const [short, long] = [40, 60].map((max) => ({ ...square, max }));
    expect(report.splits).toEqual([
      { ...none, split: 'train', images: 7, perClass: [5, 2], repeated: 1, short, long },
      { ...none, split: 'test', images: 2, perClass: [1, 1], short: square, long: square },
    ]);
    // writeClasses draws the first of each split's classes alike: test/b/0 is train/a/0, test/a/0 is train/b/0.
    const splits = ['train', 'test'];
    const at = (...names: string[]) => names.map((name) => join(data, name));
    expect(report.shared).toEqual([
      { images: at('train/b/0.png', 'test/a/0.png'), splits },
      { images: at('train/a/0.png', 'test/b/0.png'), splits },
    ]);
  });

  it('names every damaged file, goes on, and fails in the end', async () => {
    const data = await photos();
    write(join(data, 'train', 'b', '1.png'), 'no image');
    const lying = sharp(await encode(pattern(7), 32, 32, 'png')).withMetadata({ orientation: 6 });
    write(join(data, 'train', 'a', 'lying.jpg'), await lying.jpeg().toBuffer());
    write(join(data, 'test', 'a', 'x.jpg'), (await encode(pattern(9), 32, 32, 'jpeg')).subarray(0, 300));
    const { code, stdout } = await cli(['data', 'check', data]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/b\/1\.png is not a PNG/);
    expect(stdout).toMatch(/a\/x\.jpg cannot be decoded/);
    expect(stdout).toMatch(/train +8 +2 to 6 .* 1 +1 +1 *\n/);
    expect(stdout).toMatch(/^turned: stored turned or mirrored/m);
  });

  it('lists the classes, and images that stand in two of them', async () => {
    const data = await photos();
    write(join(data, 'train', 'b', 'again.webp'), await encode(pattern(2), 32, 32, 'webp'));
    const { inTwoClasses } = await checkData({ data });
    const at = (...path: string[]) => join(data, ...path);
    expect(inTwoClasses).toContainEqual({
      images: [at('train', 'a', '2.png'), at('train', 'b', 'again.webp')],
      classes: ['a', 'b'],
    });
    const { stdout } = await cli(['data', 'check', data]);
    expect(stdout).toMatch(/^class +train +test\na +5 +1\nb +3 +1$/m);
    expect(stdout).toContain(`  ${at('train', 'a', '2.png')} (a) and ${at('train', 'b', 'again.webp')} (b)\n`);
  });

  it('stops when aborted', async () => {
    const signal = AbortSignal.abort();
    await expect(checkData({ data: await photos(), signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
