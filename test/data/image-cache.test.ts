import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { imageFiles } from '../../src/data/dataset.js';
import { ImageCache } from '../../src/data/image-cache.js';
import { encode, nearest, pattern, temporaryFolder, write } from './generate.js';

it.each([
  ['nothing', 0],
  ['zeros in place of its header', 12],
  ['more zeros', 600],
])('an entry of %s is made again', async (_name, length) => {
  const folder = temporaryFolder();
  write(join(folder, 'a.png'), await encode(pattern(1, 12), 12, 12, 'png'));
  const list = new ImageCache(join(folder, 'cache'), nearest, undefined).list(imageFiles(folder, ['a.png'], [0]), 8);
  const image = await list.read(0);
  const [entry] = readdirSync(join(folder, 'cache'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.length > 60,
  );
  writeFileSync(join(folder, 'cache', entry as string), new Uint8Array(length));
  await expect(list.read(0)).resolves.toEqual(image);
});

it('an entry that was made before EXIF orientations were applied is not read', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'a.png');
  write(file, await encode(pattern(1, 12), 12, 12, 'png'));
  const files = imageFiles(folder, ['a.png'], [0]);
  const cache = join(folder, 'cache');
  const list = new ImageCache(cache, nearest, undefined).list(files, 8);
  const image = await list.read(0);
  const [entry] = readdirSync(cache, { recursive: true, encoding: 'utf8' }).filter((name) => name.length > 60);
  const bytes = readFileSync(join(cache, entry as string));
  bytes.fill(0, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  const key = createHash('sha256').update(JSON.stringify(['l2t-native 1', file, statSync(file).mtimeMs, 8]));
  const digest = key.update(await files.identity(0)).digest('hex');
  write(join(folder, 'old', digest.slice(0, 2), digest), bytes);
  const old = new ImageCache(join(folder, 'old'), nearest, undefined).list(files, 8);
  await expect(old.read(0)).resolves.toEqual(image);
});
