import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { imageFiles } from '../../src/data/dataset.js';
import { ImageCache } from '../../src/data/image-cache.js';
import { filesBelow } from '../tiny.js';
import { encode, nearest, pattern, temporaryFolder, write } from './generate.js';

it.each([
  ['nothing', 0],
  ['zeros in place of its header', 12],
  ['more zeros', 600],
])('an entry of %s is made again', async (_name, length) => {
  const folder = temporaryFolder();
  const cache = join(folder, 'cache');
  write(join(folder, 'a.png'), await encode(pattern(1, 12), 12, 12, 'png'));
  const list = new ImageCache(cache, nearest, undefined).list(imageFiles(folder, ['a.png'], [0]), 8);
  const image = await list.read(0);
  const [entry] = filesBelow(cache).filter((name) => name.length > 60);
  writeFileSync(join(cache, entry as string), new Uint8Array(length));
  await expect(list.read(0)).resolves.toEqual(image);
});
