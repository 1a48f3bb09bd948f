import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { checkData } from '../../../src/data/check.js';
import { folderFingerprint, loadData, openDataset } from '../../../src/data/load.js';
import { divide, evaluationSplit } from '../../../src/data/split.js';
import { decodeDataset, encode, failure, nearest, pattern, temporaryFolder, write, writeClasses } from '../generate.js';
import { itRefuses } from './reading.js';

const options = { size: 32, resize: nearest };

describe('a folder per class', () => {
  it('nested: each split, classes and files by code unit, deeper images, strangers passed over', async () => {
    const folder = temporaryFolder();
    await writeClasses(join(folder, 'train'), { a: 2, B: 1 });
    await writeClasses(join(folder, 'validation'), { B: 1, a: 1 });
    write(join(folder, 'train', 'B', 'deep', 'er', 'x'), await encode(pattern(77), 32, 32, 'webp'));
    write(join(folder, 'train', 'B', 'notes.txt'), 'not an image');
    write(join(folder, 'train', 'B', '.hidden'), 'x');
    write(join(folder, 'README'), 'x');
    symlinkSync('..', join(folder, 'train', 'a', 'round'));
    const listed = await openDataset(folder);
    const data = await decodeDataset(folder, options);
    expect(data).toMatchObject({ layout: 'folder', flat: false, classNames: ['B', 'a'], test: undefined });
    expect([...(data.train?.labels ?? [])]).toEqual([0, 0, 1, 1]);
    // writeClasses gives the k-th image of the c-th class pattern(10 c + k).
    const expected = [10, 77, 0, 1].map((seed) => pattern(seed));
    expect(data.train?.pixels).toEqual(Uint8Array.from(Buffer.concat(expected)));
    expect([...(data.validation?.labels ?? [])]).toEqual([0, 1]);
    expect(data.warnings).toEqual([expect.stringMatching(/passed over 3 entries.*README/)]);
    expect((await failure((async () => evaluationSplit(listed))()))?.message).toMatch(
      /no test images; it has train and validation/,
    );
  });

  it('flat: all of it is train and what is evaluated, also with a class called train', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { bus: 1, train: 2 });
    const data = await openDataset(folder);
    expect(data).toMatchObject({ flat: true, classNames: ['bus', 'train'], validation: undefined, test: undefined });
    expect(evaluationSplit(data)).toBe(data.train);
  });

  it('shows progress to the end', async () => {
    const folder = temporaryFolder();
    await writeClasses(join(folder, 'train'), { a: 3 });
    await writeClasses(join(folder, 'test'), { a: 2 });
    const seen: [number, number][] = [];
    await decodeDataset(folder, { ...options, onProgress: (...state) => seen.push(state) });
    expect(seen).toEqual([1, 2, 3, 4, 5].map((done) => [done, 5]));
  });

  it('stops soon after an abort', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { a: 60 });
    const controller = new AbortController();
    let last = 0;
    const onProgress = (done: number) => {
      last = done;
      if (done === 5) controller.abort();
    };
    const loading = decodeDataset(folder, { ...options, onProgress, signal: controller.signal });
    expect(await failure(loading)).toMatchObject({ code: 'ABORTED' });
    expect(last).toBeLessThan(60);
  });
});

describe('a folder that is not what was meant', () => {
  const messageOf = async (data: string) => [
    (await failure(checkData({ data })))?.message,
    (await failure(loadData({ data, drawTest: true }).then((dataset) => divide(dataset, { data, seed: 0 }))))?.message,
  ];

  it('is told where its classes are if they are nested too deep, by data check as by a run', async () => {
    const folder = temporaryFolder();
    const photos = join(folder, 'photos');
    await writeClasses(photos, { cat: 2, dog: 2 });
    const [checked, trained] = await messageOf(folder);
    expect(checked).toBe(trained);
    expect(checked).toBe(
      `${folder} has one class, 'photos': there is nothing to tell apart. Did you mean ${photos}, whose folders hold the images?`,
    );
    const deeper = temporaryFolder();
    await writeClasses(join(deeper, 'a', 'b', 'train'), { cat: 2, dog: 2 });
    await writeClasses(join(deeper, 'a', 'b', 'test'), { cat: 1, dog: 1 });
    expect((await messageOf(deeper))[0]).toContain(`Did you mean ${join(deeper, 'a', 'b')}, whose`);
    const one = temporaryFolder();
    await writeClasses(one, { cat: 3 });
    expect((await messageOf(one))[0]).toMatch(/one class, 'cat': there is nothing to tell apart\.$/);
  });

  it('is refused by data check, too, if a class has one image and there are no test images', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { cat: 2, dog: 1 });
    const [checked, trained] = await messageOf(folder);
    expect(checked).toBe(trained);
    expect(checked).toMatch(/class 'dog' has too few images/);
  });

  it('is told what was passed over, by type, and how to convert it', async () => {
    const folder = temporaryFolder();
    await writeClasses(folder, { cat: 2, dog: 2 });
    for (const name of ['1.HEIC', '2.heic', '3.tiff', '4.tiff', '5.heif', 'notes'])
      write(join(folder, 'dog', name), 'x');
    const { warnings } = await openDataset(folder);
    expect(warnings).toEqual([
      expect.stringMatching(/passed over 6 entries \(2 \.\w+, 2 \.\w+, 1 .*\), .* heif-convert /),
    ]);
    write(join(folder, 'emu', '1.heic'), 'x');
    expect((await failure(openDataset(folder)))?.message).toMatch(
      /class 'emu' has no images \(3 \.heic, 2 \.tiff, .*\)\. .*heif-convert /,
    );
  });
});

describe('listing a folder that is no data set, or that is very large', { timeout: 180_000 }, () => {
  const fill = (folder: string, count: number) => {
    for (let k = 0; k < count; k++) write(join(folder, `${k}.txt`), '');
  };

  it('ends after 10,000 entries of which none fits, but not once an image was found', async () => {
    const folder = temporaryFolder();
    const strange = join(folder, 'b', 'deep');
    fill(strange, 10_001);
    expect((await failure(openDataset(strange)))?.message).toMatch(/no data set of a known layout, by its first 10000/);
    // Never reached.
    await writeClasses(folder, { z: 1 });
    expect((await failure(openDataset(folder)))?.message).toMatch(/of the first 10000 entries .* none is an image/);
    await writeClasses(folder, { a: 1 });
    expect((await failure(openDataset(folder)))?.message).toMatch(/class 'b' has no images/);
    await writeClasses(folder, { b: 1 });
    const { train, warnings } = await openDataset(folder);
    expect(train?.count).toBe(3);
    expect(warnings).toEqual([expect.stringContaining('passed over 10001 entries')]);
  });

  it.each([undefined, false] as const)('says how far it is, and ends at an abort, labels: %s', async (labels) => {
    const folder = temporaryFolder();
    await writeClasses(folder, { a: 1 });
    fill(join(folder, 'a'), 1000);
    const controller = new AbortController();
    const listed: number[] = [];
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 100;
      return now;
    });
    try {
      const onListed = (entries: number) => {
        listed.push(entries);
        if (listed.length === 2) controller.abort();
      };
      expect(await failure(openDataset(folder, { signal: controller.signal, onListed, labels }))).toMatchObject({
        code: 'ABORTED',
      });
    } finally {
      clock.mockRestore();
    }
    expect(listed).toHaveLength(2);
    const aborted = { data: folder, signal: AbortSignal.abort() };
    for (const load of [() => loadData(aborted), () => folderFingerprint(aborted, aborted), () => checkData(aborted)]) {
      expect(await failure(load())).toMatchObject({ code: 'ABORTED', message: expect.stringMatching(/^Loading/) });
    }
  });

  it('names a class that is a link to a folder around it', async () => {
    const folder = temporaryFolder();
    await writeClasses(join(folder, 'train'), { a: 1, b: 1 });
    symlinkSync('..', join(folder, 'train', 'c'));
    expect((await failure(openDataset(folder)))?.message).toMatch(/train\/c is a link to .*, a folder that it lies in/);
  });
});

const classes = (place: string, counts: Readonly<Record<string, number>>) => (folder: string) =>
  writeClasses(join(folder, place), counts);
const both =
  (...changes: ((folder: string) => unknown)[]) =>
  async (folder: string) => {
    for (const change of changes) await change(folder);
  };
const image = async (folder: string) => write(join(folder, 'train', '1.png'), await encode(pattern(0), 32, 32, 'png'));

itRefuses('folder', () => {}, [
  [/train has no PNG.*1\.png/, image],
  [/b: class 'b' has no images/, classes('.', { a: 1, b: 0 })],
  [
    /class 'b' is in \S+train but not in \S+test \(2 classes against 1\)/,
    both(classes('train', { a: 1, b: 1 }), classes('test', { a: 1 })),
  ],
  [/class 'c' is in \S+valid but not in \S+train/, both(classes('train', { a: 1 }), classes('valid', { a: 1, c: 1 }))],
  [/both the validation set/, both(classes('val', { a: 1 }), classes('valid', { a: 1 }))],
]);
