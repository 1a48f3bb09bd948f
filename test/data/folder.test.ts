import { createHash } from 'node:crypto';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it, vi } from 'vitest';
import { checkData } from '../../src/data/check.js';
import { selectClasses } from '../../src/data/dataset.js';
import { decodeImage } from '../../src/data/decode.js';
import { fitImage } from '../../src/data/fit.js';
import { cifar10 } from '../../src/data/layouts/arrays.js';
import { fingerprint, folderFingerprint, loadData, openDataset } from '../../src/data/load.js';
import { divide, evaluationSplit } from '../../src/data/split.js';
import { addon } from '../../src/native/addon.js';
import {
  decodeDataset,
  encode,
  failure,
  nearest,
  pattern,
  temporaryFolder,
  write,
  writeCifar,
  writeClasses,
} from './generate.js';

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

  it('says how far it is, and ends at an abort', async () => {
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
      expect(await failure(openDataset(folder, { signal: controller.signal, onListed }))).toMatchObject({
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

describe('decoding gives what Pillow gives', () => {
  const decodeBytes = async (bytes: Uint8Array, name = 'image.png') => {
    const file = join(temporaryFolder(), name);
    write(file, bytes);
    return decodeImage(file);
  };
  const repeat = (grey: Uint8Array) =>
    Uint8Array.from({ length: grey.length * 3 }, (_, at) => grey[Math.floor(at / 3)] as number);

  it('PNG and WebP by content, whatever the ending', async () => {
    for (const format of ['png', 'webp'] as const) {
      const image = await decodeBytes(await encode(pattern(1, 20, 30), 20, 30, format), 'image.jpg');
      expect({ ...image, pixels: Uint8Array.from(image.pixels) }).toEqual({
        height: 20,
        width: 30,
        pixels: pattern(1, 20, 30),
      });
    }
  });

  it('grey three times, alpha dropped and not blended', async () => {
    const grey = await decodeBytes(
      await sharp(pattern(2, 8, 8, 1), { raw: { height: 8, width: 8, channels: 1 } })
        .toColourspace('b-w')
        .png()
        .toBuffer(),
    );
    expect(Uint8Array.from(grey.pixels)).toEqual(repeat(pattern(2, 8, 8, 1)));
    const rgba = pattern(3, 8, 8, 4);
    for (const format of ['png', 'webp'] as const) {
      const { pixels } = await decodeBytes(await encode(rgba, 8, 8, format));
      expect(Uint8Array.from(pixels)).toEqual(rgba.filter((_, at) => at % 4 !== 3));
    }
  });

  it('the upper 8 of 16 bits', async () => {
    const deep = Uint16Array.from({ length: 8 * 8 * 3 }, (_, at) => at * 341);
    const png = await sharp(deep, { raw: { height: 8, width: 8, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe('ushort');
    expect(Uint8Array.from((await decodeBytes(png)).pixels)).toEqual(Uint8Array.from(deep, (value) => value >> 8));
  });

  it('CMYK multiplied out', async () => {
    const { pixels, height, width } = await decodeImage('test/fixtures/images/cmyk.jpg');
    expect([height, width]).toEqual([29, 37]);
    expect(sha256(pixels)).toBe('278ecf1a0b7ecb795c69588071455dbbeda7e1ac3923607217f41d4dc307f2e2');
  });

  it('does not convert by an embedded profile', async () => {
    const png = await encode(pattern(4, 20, 30), 20, 30, 'png');
    const wide = await sharp(png).withIccProfile('p3').toBuffer();
    const at = wide.indexOf('iCCP');
    const chunk = wide.subarray(at - 4, at + 8 + wide.readUInt32BE(at - 4));
    const profiled = Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
    expect(await sharp(profiled).raw().toBuffer()).not.toEqual(Buffer.from(pattern(4, 20, 30)));
    expect(Uint8Array.from((await decodeBytes(profiled)).pixels)).toEqual(pattern(4, 20, 30));
  });

  // What Pillow 11.1 makes of the files in the same order, as they are and resized with BILINEAR.
  const tiny = '../shared/data/tinyimagenet64/val';
  it.skipIf(!existsSync(tiny)).each([
    [64, 'db3489c17861b13de3be25382809941d26fa8fadd4d895978a00c52cc4b4b4ff'],
    [32, '625e59328b808786cd2b406f9a53281fd374725069b741ba64747bf915e3c0fc'],
  ])(`the 2,000 JPEG files of ${tiny} at %i (skipped where they are absent)`, async (size, expected) => {
    const { train, classNames } = await decodeDataset(tiny, { size, resize: addon().resize });
    expect([train?.count, classNames.length, classNames[0]]).toEqual([2000, 200, 'n01443537']);
    expect(sha256(train?.pixels)).toBe(expected);
  });
});

const sha256 = (bytes: Uint8Array | undefined) =>
  createHash('sha256')
    .update(bytes ?? '')
    .digest('hex');

describe('fitting to a size', () => {
  it('squashes to small sizes; cuts the centre of the resized image from 64 on', async () => {
    const sizes: number[][] = [];
    const record: typeof nearest = (pixels, ...shape) => {
      sizes.push(shape);
      return nearest(pixels, ...shape);
    };
    const image = { pixels: pattern(5, 300, 501), height: 300, width: 501 };
    expect(await fitImage(image, 32, record, '')).toEqual(await nearest(image.pixels, 300, 501, 32, 32));
    const cut = await fitImage(image, 224, record, '');
    // 256 × 427 (501 · 256 / 300 = 427.5); rows from 16, columns from 101.5, which goes to the even 102.
    expect(sizes).toEqual([
      [300, 501, 32, 32],
      [300, 501, 256, 427],
    ]);
    const whole = await nearest(image.pixels, 300, 501, 256, 427);
    const row = (index: number) => whole.slice(((16 + index) * 427 + 102) * 3, ((16 + index) * 427 + 102 + 224) * 3);
    expect(cut.slice(0, 672)).toEqual(row(0));
    expect(cut.slice(223 * 672)).toEqual(row(223));
    expect(cut.length).toBe(224 * 224 * 3);
  });

  it('leaves an image that has the size as it is', async () => {
    const never = () => Promise.reject(new Error('resized'));
    for (const size of [32, 224]) {
      const pixels = pattern(6, size, size);
      expect(await fitImage({ pixels, height: size, width: size }, size, never, '')).toBe(pixels);
    }
  });

  it('refuses a sliver before it grows', async () => {
    const sliver = fitImage(
      { pixels: new Uint8Array(3 * 400_000), height: 1, width: 400_000 },
      224,
      nearest,
      'sliver.png',
    );
    expect(await failure(sliver)).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/^sliver\.png/),
    });
  });
});

describe('selecting and identifying', () => {
  it('selectClasses keeps order and relabels every split', async () => {
    const folder = temporaryFolder();
    await writeClasses(join(folder, 'train'), { a: 2, b: 1, c: 1 });
    await writeClasses(join(folder, 'test'), { a: 1, b: 1, c: 1 });
    const data = selectClasses(await openDataset(folder), [2, 0]);
    expect(data.classNames).toEqual(['c', 'a']);
    expect([...(data.train?.labels ?? [])]).toEqual([1, 1, 0]);
    expect(Uint8Array.from((await data.train?.read(2))?.pixels ?? [])).toEqual(pattern(20));
    expect([...(data.test?.labels ?? [])]).toEqual([1, 0]);
    expect(() => selectClasses(data, [0, 2])).toThrow(/from 0 to 1/);
    expect(() => selectClasses(data, [0, 0])).toThrow(/'c' is given twice/);
  });

  it('the fingerprint sees a file, a label, a name and the split, not the place', async () => {
    const [here, there, other] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    for (const folder of [here, there, other]) await writeClasses(join(folder, 'train'), { a: 1, b: 1 });
    write(join(other, 'train', 'a', '0.png'), await encode(pattern(3, 30), 30, 30, 'png'));
    const data = await openDataset(here);
    const print = await fingerprint(data);
    expect(await fingerprint(await openDataset(there))).toBe(print);
    const { train } = data;
    if (train === undefined) throw new Error('no training images');
    const others = [
      await openDataset(other),
      { ...data, train: { ...train, labels: Int32Array.of(1, 0) } },
      { ...data, classNames: ['a', 'c'] },
      { ...data, train: undefined, test: train },
    ];
    expect(new Set([print, ...(await Promise.all(others.map((data) => fingerprint(data))))]).size).toBe(5);
  });

  it('the fingerprint sees a pixel of an array', async () => {
    const folder = temporaryFolder();
    writeCifar(folder, cifar10);
    const print = await fingerprint(await openDataset(folder));
    const file = join(folder, 'data_batch_2.bin');
    const bytes = readFileSync(file);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    write(file, bytes);
    expect(await fingerprint(await openDataset(folder))).not.toBe(print);
  });
});
