import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeBytes, decodeImage } from '../../src/data/decode.js';
import { openDataset } from '../../src/data/load.js';
import { checkData, type DecodedImage, Network } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { bitFlips, readDamaged, truncations } from '../damage.js';
import { writeParquet } from '../fixtures/parquet.js';
import { tinySource } from '../tiny.js';
import { decodeDataset, encode, failure, pattern, temporaryFolder, write } from './generate.js';

const pixelsOf = async (bytes: Uint8Array) => Uint8Array.from((await decodeBytes(bytes, 'image')).pixels);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('decoding gives what Pillow gives', () => {
  it('PNG and WebP by content, whatever the ending', async () => {
    for (const format of ['png', 'webp'] as const) {
      const file = join(temporaryFolder(), 'image.jpg');
      write(file, await encode(pattern(1, 20, 30), 20, 30, format));
      const { pixels, ...sides } = await decodeImage(file);
      expect([sides, Uint8Array.from(pixels)]).toEqual([{ height: 20, width: 30 }, pattern(1, 20, 30)]);
    }
  });

  it('grey three times, alpha dropped and not blended', async () => {
    const grey = pattern(2, 8, 8, 1);
    const raw = { height: 8, width: 8, channels: 1 } as const;
    const png = await sharp(grey, { raw }).toColourspace('b-w').png().toBuffer();
    expect(await pixelsOf(png)).toEqual(
      Uint8Array.from({ length: 8 * 8 * 3 }, (_, at) => grey[Math.floor(at / 3)] as number),
    );
    const rgba = pattern(3, 8, 8, 4);
    for (const format of ['png', 'webp'] as const)
      expect(await pixelsOf(await encode(rgba, 8, 8, format))).toEqual(rgba.filter((_, at) => at % 4 !== 3));
  });

  it('the upper 8 of 16 bits', async () => {
    const deep = Uint16Array.from({ length: 8 * 8 * 3 }, (_, at) => at * 341);
    const raw = { height: 8, width: 8, channels: 3 } as const;
    const png = await sharp(deep, { raw }).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(png).metadata()).depth).toBe('ushort');
    expect(await pixelsOf(png)).toEqual(Uint8Array.from(deep, (value) => value >> 8));
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
    expect(await pixelsOf(profiled)).toEqual(pattern(4, 20, 30));
  });

  it('a GIF: its first picture', async () => {
    // Few colours: a GIF holds 256, and the encoder picks them.
    const picture = (seed: number) => pattern(seed, 4, 8).map((value) => (value < 128 ? 0 : 255));
    const raw = { height: 8, width: 8, channels: 3, pageHeight: 4 } as const;
    const gif = await sharp(Buffer.concat([picture(1), picture(2)]), { raw })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const { height, width } = await decodeBytes(gif, 'a.gif');
    expect([height, width, await pixelsOf(gif)]).toEqual([4, 8, picture(1)]);
  });

  // Hashes from Pillow 11.1 of the files in the same order, as they are and resized with BILINEAR.
  const tiny = '../shared/data/tinyimagenet64/val';
  it.skipIf(!existsSync(tiny)).each([
    [64, 'db3489c17861b13de3be25382809941d26fa8fadd4d895978a00c52cc4b4b4ff'],
    [32, '625e59328b808786cd2b406f9a53281fd374725069b741ba64747bf915e3c0fc'],
  ])(`the 2,000 JPEG files of ${tiny} at %i (skipped where they are absent)`, async (size, expected) => {
    const { train, classNames } = await decodeDataset(tiny, { size, resize: addon().resize });
    expect([train?.count, classNames.length, classNames[0]]).toEqual([2000, 200, 'n01443537']);
    expect(sha256(train?.pixels as Uint8Array)).toBe(expected);
  });
});

/** Small images by tools/orientation.py, and what Pillow's `exif_transpose` and `convert('RGB')` make of them. */
interface Oriented {
  readonly kind: string;
  readonly orientation: number;
  readonly height: number;
  readonly width: number;
  readonly sha256: string;
  readonly file: string;
}
const oriented: Oriented[] = JSON.parse(readFileSync('test/fixtures/images/oriented.json', 'utf8'));
const kinds = [...new Set(oriented.map(({ kind }) => kind))];
const find = (kind: string, orientation: number) =>
  oriented.find((image) => image.kind === kind && image.orientation === orientation) as Oriented;
const bytesOf = ({ file }: Oriented) => Buffer.from(file, 'base64');

const summary = ({ height, width, pixels }: DecodedImage) => ({ height, width, sha256: sha256(pixels) });
const expected = ({ height, width, sha256 }: Oriented) => ({ height, width, sha256 });

describe('an EXIF orientation', () => {
  it.each(kinds)('is applied as Pillow applies it: %s', async (kind) => {
    const images = oriented.filter((image) => image.kind === kind);
    expect(images.map(({ orientation }) => orientation)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const decoded = await Promise.all(images.map((image) => decodeBytes(bytesOf(image), 'image')));
    expect(decoded.map(summary)).toEqual(images.map(expected));
  });

  it('is applied to images in folders, lists and Parquet files, which data check counts', async () => {
    const folder = temporaryFolder();
    const stored = [find('JPEG', 6), find('PNG', 1), find('WebP', 8), find('CMYK JPEG', 5)];
    const rows = stored.map((image, k) => ({ bytes: bytesOf(image), path: `${k}.jpg`, label: k % 2 }));
    for (const { bytes, path, label } of rows) write(join(folder, 'classes', String(label), path), bytes);
    const lines = rows.map(({ path, label }) => `classes/${label}/${path},${label}`);
    write(join(folder, 'images.csv'), `file,label\n${lines.join('\n')}\n`);
    await writeParquet(join(folder, 'train.parquet'), rows, { names: ['0', '1'] });
    for (const data of ['classes', 'images.csv', 'train.parquet'].map((name) => join(folder, name))) {
      const { train } = await openDataset(data);
      const read = await Promise.all(rows.map(async (_, k) => summary((await train?.read(k)) as DecodedImage)));
      const bySum = (one: { sha256: string }, other: { sha256: string }) => (one.sha256 < other.sha256 ? -1 : 1);
      expect(read.sort(bySum)).toEqual(stored.map(expected).sort(bySum));
      const { splits } = await checkData({ data });
      expect(splits.reduce((sum, { turned }) => sum + turned, 0)).toBe(3);
    }
  });

  it('is applied to what a network predicts: paths and buffers, but not pixels', async () => {
    const network = await Network.load(await tinySource(), { device: 'cpu', threads: 1 });
    const stored = bytesOf(find('PNG', 6));
    const path = join(temporaryFolder(), 'a.png');
    write(path, stored);
    const [upright, lying] = [await decodeBytes(stored, 'image'), await decodeBytes(bytesOf(find('PNG', 1)), 'image')];
    const [byPixels, byPath, byBuffer, asStored] = await network.predict([upright, path, stored, lying]);
    expect([byPath, byBuffer]).toEqual([byPixels, byPixels]);
    expect(asStored).not.toEqual(byPixels);
  });

  it('that cannot be read leaves the image as it is stored', async () => {
    const marker = Buffer.from('Exif\0\0');
    const jpeg = bytesOf(find('JPEG', 6));
    const at = jpeg.indexOf(marker) + marker.length;
    const damages = [[0], [1, 0xff], [4, 0xff, 0xff, 0xff, 0xff], [10, 0xff], [18, 9], [18, 0]];
    for (const [place = 0, ...values] of damages) {
      const damaged = Buffer.from(jpeg);
      if (values.length === 0) damaged.fill(0, at, at + 8);
      damaged.set(values, at + place);
      const { height, width, turned } = await decodeBytes(damaged, 'image');
      expect({ place, height, width, turned }).toEqual({ place, height: 7, width: 11, turned: undefined });
    }
  });
});

describe('an AVIF', () => {
  const [height, width] = [30, 40];
  const picture = sharp(pattern(1, height, width), { raw: { height, width, channels: 3 } });
  const avif = (orientation?: number) =>
    (orientation ? picture.clone().withMetadata({ orientation }) : picture.clone()).avif({ lossless: true }).toBuffer();
  /** The pixels turned as an orientation says. */
  const turned = async (pixels: Uint8Array, orientation: number) => {
    const raw = { height, width, channels: 3 } as const;
    const tiff = await sharp(pixels, { raw }).withMetadata({ orientation }).tiff({ compression: 'none' }).toBuffer();
    const { data, info } = await sharp(tiff, { autoOrient: true }).raw().toBuffer({ resolveWithObject: true });
    return { pixels: Uint8Array.from(data), height: info.height, width: info.width };
  };

  it('is turned by its own properties, irot and imir, and not again by its EXIF orientation', async () => {
    const upright = await pixelsOf(await avif());
    for (let orientation = 2; orientation <= 8; orientation++) {
      const file = await avif(orientation);
      // sharp writes both.
      expect([/irot|imir/.test(file.toString('latin1')), file.includes('Exif')]).toEqual([true, true]);
      const { pixels, ...sides } = await decodeBytes(file, 'image');
      const expected = await turned(upright, orientation);
      expect({ orientation, ...sides, pixels: Uint8Array.from(pixels) }).toEqual({ orientation, ...expected });
    }
    const file = await avif(6);
    file[file.indexOf('irot') + 4] = 0;
    expect(await decodeBytes(file, 'image')).toMatchObject({ height, width });
  });

  it('is refused beyond 32 megapixels, since it takes twice the memory of other formats, and if its sides lie', async () => {
    const claiming = async (...sides: [number, number]) => {
      const file = await avif();
      for (const [k, side] of sides.entries()) file.writeUInt32BE(side, file.indexOf('ispe') + 8 + 4 * k);
      return (await failure(decodeBytes(file, 'image')))?.message;
    };
    expect(await claiming(5794, 5792)).toMatch(/more than 33554432 pixels/);
    expect(await claiming(20, 20)).toMatch(/image cannot be decoded: heif: /);
  });

  it('of other brands is known by its content', async () => {
    const file = await avif();
    file.write('mif1', 8, 'latin1');
    expect(await decodeBytes(file, 'image')).toMatchObject({ height, width });
  });
});

describe('bytes that cannot be decoded', async () => {
  const png = await encode(pattern(1), 32, 32, 'png');
  it.each<[RegExp, Uint8Array]>([
    [/^Image 7 cannot be decoded/, png.subarray(0, 200)],
    [/^Image 7 cannot be decoded/, Buffer.from('GIF89a')],
    [/^Image 7 is not a PNG, JPEG, WebP, GIF or AVIF image/, new Uint8Array()],
    [/^Image 7 is not a PNG, JPEG, WebP, GIF or AVIF image/, Buffer.from('BM')],
    [
      /^Image 7 is a HEIC image\. .*heif-convert .*magick /,
      Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'),
    ],
  ])('are called by their name: %s', async (message, bytes) => {
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(message) };
    expect(await failure(decodeBytes(bytes, 'Image 7'))).toMatchObject(refused);
  });

  it.each(['png', 'jpeg', 'avif'] as const)(
    '%s: a cut is an error; a flipped bit gives an image or an error',
    async (format) => {
      const whole = await encode(pattern(1), 32, 32, format);
      const original = await pixelsOf(whole);
      const read = async (damaged: Uint8Array) => {
        const { pixels, height, width } = await decodeBytes(damaged, 'image');
        expect(pixels.length).toBe(3 * height * width);
        // PNG alone has checksums.
        if (format === 'png') expect(Uint8Array.from(pixels)).toEqual(original);
      };
      // A PNG without its last, empty chunk (12 bytes) is whole.
      const cuts = truncations(whole.subarray(0, whole.length - 12), 7);
      expect((await readDamaged(cuts, read, 'INVALID_DATA')).values).toBe(0);
      await readDamaged(bitFlips(whole, 500), read, 'INVALID_DATA');
    },
  );
});
