import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeBytes } from '../../src/data/decode.js';
import { openDataset } from '../../src/data/load.js';
import { checkData, type DecodedImage, Network } from '../../src/index.js';
import { writeParquet } from '../fixtures/parquet.js';
import { tinySource } from '../tiny.js';
import { temporaryFolder, write } from './generate.js';

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

const summary = ({ height, width, pixels }: DecodedImage) => ({
  height,
  width,
  sha256: createHash('sha256').update(pixels).digest('hex'),
});
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
    const stored = find('PNG', 6);
    const upright = await decodeBytes(bytesOf(stored), 'image');
    const path = join(temporaryFolder(), 'a.png');
    write(path, bytesOf(stored));
    const lying = await decodeBytes(bytesOf(find('PNG', 1)), 'image');
    const [byPixels, byPath, byBuffer, asStored] = await network.predict([upright, path, bytesOf(stored), lying]);
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
