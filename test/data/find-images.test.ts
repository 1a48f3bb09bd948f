import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { listImages, Network } from '../../src/index.js';
import { temporaryFolder, tinySource, write } from '../tiny.js';

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
  for (const name of ['b/2.jpg', 'b/1.webp', 'a.gif', 'b/words.txt'])
    write(join(folder, name, '..'), name.split('/').at(-1) as string, 'x');
});

describe('listImages', () => {
  it('lists folders, patterns and files in the order of its arguments', async () => {
    const at = (...names: string[]) => names.map((name) => join(folder, name));
    expect(await listImages([folder])).toEqual(at('a.gif', 'b/1.webp', 'b/2.jpg'));
    const paths = [join(folder, '*/*.jpg'), join(folder, 'a.gif'), join(folder, 'none.jpg')];
    expect(await listImages(paths)).toEqual(at('b/2.jpg', 'a.gif', 'none.jpg'));
  });

  it('says what stands for no image', async () => {
    const failure = (paths: unknown) =>
      listImages(paths as string[]).catch(({ code, message }) => `${code} ${message}`);
    const empty = temporaryFolder();
    expect(await failure([folder, empty])).toBe(
      `FILE_ACCESS ${empty} is a folder without images (PNG, JPEG, WebP, GIF or AVIF): check the path.`,
    );
    expect(await failure([`${folder}/*.png`])).toMatch(/^FILE_ACCESS No file matches /);
    expect(await failure(folder)).toMatch(/^INVALID_OPTION The list of paths is '.*': it must be an array of paths\.$/);
    expect(await failure([folder, 3])).toBe('INVALID_OPTION Path 1 is 3: it must be a path.');
  });

  it('is what Network.predict points to', async () => {
    const network = await Network.load(await tinySource());
    const failure = (path: string) => network.predict([path]).catch(({ code, message }) => `${code} ${message}`);
    expect(await failure(folder)).toBe(`FILE_ACCESS ${folder} is a folder: give its images, which listImages finds.`);
    expect(await failure(`${folder}/*.gif`)).toMatch(/^FILE_ACCESS There is no file .*\*\.gif: for a pattern, /);
  });
});
