import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadData } from '../../src/data/load.js';
import { compare, planComparison, type RunEvent, resume, type TransferOptions, transfer } from '../../src/index.js';
import { encode, pattern, write } from '../data/generate.js';
import { writeParquet } from '../fixtures/parquet.js';
import { abortAt, eventsOf } from '../outcomes.js';
import { newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';

/** Three classes of `train` training and 4 test images; no two images are equal. */
async function classes(train: number, seed = 0): Promise<string> {
  const folder = temporaryFolder();
  for (const [label, name] of ['a', 'b', 'c'].entries()) {
    for (let k = 0; k < train + 4; k++) {
      const pixels = pattern(seed + 100 * label + k, 28).map((value) => (value >> 1) + 50 * label);
      write(join(folder, k < train ? 'train' : 'test', name, `${k}.png`), await encode(pixels, 28, 28, 'png'));
    }
  }
  return folder;
}

const data = await classes(12);
const source = await tinySource();
const begin = (given: Partial<TransferOptions>) =>
  transfer({ ...tinyOptions, data, source, perClass: 5, report: false, out: newPath(), ...given });

/** All events, and the result. */
async function finished(given: Partial<TransferOptions>) {
  const run = begin(given);
  const events = await eventsOf(run);
  const start = events.find(({ type }) => type === 'start') as Extract<RunEvent, { type: 'start' }>;
  const notes = events.flatMap((event) => (event.type === 'note' || event.type === 'warning' ? [event.message] : []));
  return { result: await run.result, images: start.images, notes };
}

const weights = (run: string) => readFileSync(join(run, 'best.safetensors'), 'base64');

/** Five images at several depths, and a file that is none. */
async function photographs(): Promise<string> {
  const folder = temporaryFolder();
  for (const [k, path] of ['a.png', 'b.jpg', 'x/c.png', 'x/y/d.webp', 'z/e.png'].entries()) {
    const format = path.endsWith('jpg') ? 'jpeg' : path.endsWith('webp') ? 'webp' : 'png';
    write(join(folder, path), await encode(pattern(k + 50, 40, 36), 40, 36, format));
  }
  write(join(folder, 'notes.txt'), 'no image');
  return folder;
}

describe('--unlabelled', { timeout: 120_000 }, () => {
  let folder: string;
  beforeAll(async () => {
    folder = await photographs();
  });

  it('rest takes the training images that --per-class leaves out, and changes what is learned', async () => {
    const { images, result } = await finished({ unlabelled: 'rest' });
    expect(images).toMatchObject({ train: 15, unlabelled: 21 });
    const without = await finished({});
    expect(without.images).not.toHaveProperty('unlabelled');
    expect(weights(result.run)).not.toBe(weights(without.result.run));
    expect(readFileSync(join(result.run, 'README.md'), 'utf8')).toContain('21 images without labels');
  });

  it('takes folders of any depth, lists and Parquet files without labels, and data sets', async () => {
    const list = join(folder, 'list.csv');
    writeFileSync(list, 'file\na.png\nx/c.png\n');
    const parquet = join(temporaryFolder(), 'images.parquet');
    const rows = await Promise.all([7, 8, 9].map(async (k) => ({ bytes: await encode(pattern(k, 8), 8, 8, 'png') })));
    await writeParquet(parquet, rows, { labels: false });
    const { images } = await finished({ unlabelled: [join(folder, 'x'), list, parquet, tinyData(4)], method: 'fm' });
    expect(images.unlabelled).toBe(2 + 2 + 3 + 12 + 30);
  });

  it('leaves out validation and test images, pixel for pixel', async () => {
    const { test } = await loadData({ data });
    const image = await test?.read(4);
    if (!image) throw new Error('there is no test image');
    const { height, width, pixels } = image;
    const copies = temporaryFolder();
    const save = (name: string, values: Uint8Array) =>
      sharp(values, { raw: { width, height, channels: 3 } }).toFile(join(copies, name));
    await save('tested.png', pixels);
    await save(
      'another.png',
      pixels.map((value, k) => (k === 0 ? value ^ 1 : value)),
    );
    const { images, notes } = await finished({ unlabelled: copies, method: 'fm' });
    expect(images.unlabelled).toBe(1);
    expect(notes).toContainEqual(expect.stringMatching(/^1 image without labels left out: .* test images/));
    const all = temporaryFolder();
    await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(join(all, 'tested.png'));
    await expect(begin({ unlabelled: all }).result).rejects.toThrow(
      /Every image of unlabelled is a validation or test image/,
    );
  });

  it.each(['same', 'other'] as const)(
    'goes on to the bit after an interruption, judged by the %s batch',
    async (metaBatch) => {
      const given = { unlabelled: ['rest', folder], metaBatch, epochs: 3 };
      const whole = await finished(given);
      const out = newPath();
      await abortAt(
        (signal) => begin({ ...given, out, signal }),
        (event) => event.type === 'step' && event.step === 2,
      );
      expect(weights((await resume(out).result).run)).toBe(weights(whole.result.run));
    },
  );

  it('is left out in compare for methods that read no source, and is in the lines of a plan', async () => {
    const [out, other] = [newPath('exp'), newPath('plan')];
    const { pairs: _, ...options } = { ...tinyOptions, data, source, perClass: 5 };
    const comparison = { ...options, methods: 'scratch,fm', seeds: 1, unlabelled: ['rest', folder] };
    const { rows } = await compare({ ...comparison, out, report: false });
    expect(rows.map(({ accuracies }) => accuracies.length)).toEqual([1, 1]);
    const recorded = (run: string) => readFileSync(join(out, run, 'options.yaml'), 'utf8');
    expect(recorded('scratch-0')).not.toContain('unlabelled');
    expect(recorded('fm-0')).toContain(`unlabelled:\n    - rest\n    - ${folder}\n`);
    const plan = await planComparison(other, comparison);
    expect(plan.runs[0]).not.toContain('--unlabelled');
    expect(plan.runs[1]).toContain(`--unlabelled rest --unlabelled ${folder}`);
  });

  it('names damaged images, and leaves them out where that is asked', async () => {
    const some = await photographs();
    write(join(some, 'x/broken.png'), Buffer.alloc(100));
    await expect(begin({ unlabelled: some }).result).rejects.toThrow(/1 image of .* cannot be read:.*broken\.png/s);
    expect((await finished({ unlabelled: some, skipDamaged: true })).images.unlabelled).toBe(5);
  });

  it('is refused by a resume if the images have changed', async () => {
    const some = await photographs();
    const out = newPath();
    await abortAt(
      (signal) => begin({ unlabelled: some, out, signal }),
      ({ type }) => type === 'epoch',
    );
    write(join(some, 'more.png'), await encode(pattern(1, 20), 20, 20, 'png'));
    await expect(resume(out).result).rejects.toThrow(/The images without labels in .* changed since/);
  });

  it.each([
    [{ method: 'scratch', source: undefined }, /scratch has no use for .*unlabelled/],
    [{ perClass: undefined, unlabelled: 'rest' }, /unlabelled: 'rest' is what perClass leaves: give it/],
    [{ perClass: 12, unlabelled: 'rest' }, /perClass leaves no training images/],
    [{ unlabelled: '/nowhere' }, /\/nowhere does not exist/],
    [{ unlabelled: temporaryFolder() }, /without images/],
    [{ unlabelled: '' }, /unlabelled is ''.* a path/],
  ] as const)('refuses %j', async (given, message) => {
    await expect(begin({ unlabelled: folder, ...given } as TransferOptions).result).rejects.toThrow(message);
  });
});
