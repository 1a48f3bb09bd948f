import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openParquet } from '../../../src/data/parquet/file.js';
import { RowGroups } from '../../../src/data/parquet/row-groups.js';
import { writeParquet } from '../../fixtures/parquet.js';
import { temporaryFolder } from '../generate.js';
import { images, names, row } from '../parquet-rows.js';

/** A file of four row groups; image k is the image of row k % 6. `read` lists the row groups that were read. */
async function fourGroups() {
  const file = join(temporaryFolder(), 'train.parquet');
  const many = Array.from({ length: 7000 }, (_, k) => row(k % 6));
  await writeParquet(file, many, { names });
  const opened = await openParquet(file);
  expect(opened.groups).toEqual([2048, 2048, 2048, 856]);
  const read: number[] = [];
  const counted = {
    ...opened,
    read(group: number, column: string) {
      read.push(group);
      return opened.read(group, column);
    },
  };
  return { counted, read };
}
const isRow = async (groups: RowGroups, k: number) =>
  Buffer.from(await groups.image(k)).equals(images[k % 6] as Uint8Array);

it('reads row groups once, in order, and keeps no more than it may', async () => {
  const { counted, read } = await fourGroups();
  const twice = async (groups: RowGroups) => {
    read.length = 0;
    for (let k = 0; k < 14_000; k++)
      if (!(await isRow(groups, k % 7000))) throw new Error(`row ${k % 7000} is another image`);
    return [...read];
  };
  const roomy = new RowGroups([counted], 'image');
  expect(await twice(roomy)).toEqual([0, 1, 2, 3]);
  expect(roomy.placeOf(6999)).toMatchObject({ row: 6999 });
  const tight = new RowGroups([counted], 'image', 1);
  expect(await twice(tight)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  expect(await tight.hold([0], 'x', undefined)).toBe(false);
  // The sizes that the file announces are not trusted.
  const lying = new RowGroups([{ ...counted, bytes: () => 0 }], 'image', 1);
  expect(await twice(lying)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
});

it('holds wanted images for reading in any order', async () => {
  const { counted, read } = await fourGroups();
  const wanted = [6500, 3, 4100, 2];
  const bytes = wanted.reduce((sum, k) => sum + (images[k % 6]?.length ?? 0), 0);
  const groups = new RowGroups([counted], 'image', bytes);
  expect(await groups.hold(wanted, 'x', undefined)).toBe(true);
  for (const k of wanted) expect(await isRow(groups, k)).toBe(true);
  expect(read).toEqual([0, 2, 3]);
});
