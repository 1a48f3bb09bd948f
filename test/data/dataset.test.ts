import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selectClasses } from '../../src/data/dataset.js';
import { openDataset } from '../../src/data/load.js';
import { pattern, temporaryFolder, writeClasses } from './generate.js';

it('selectClasses keeps order and relabels every split', async () => {
  const folder = temporaryFolder();
  await writeClasses(join(folder, 'train'), { a: 2, b: 1, c: 1 });
  await writeClasses(join(folder, 'test'), { a: 1, b: 1, c: 1 });
  const data = selectClasses(await openDataset(folder), [2, 0]);
  expect(data.classNames).toEqual(['c', 'a']);
  expect([...(data.train?.labels ?? [])]).toEqual([1, 1, 0]);
  expect(Uint8Array.from((await data.train?.read(2))?.pixels ?? [])).toEqual(pattern(20));
  expect([...(data.test?.labels ?? [])]).toEqual([1, 0]);
  expect(() => selectClasses(data, [0, 0])).toThrow(/'c' is given twice/);
});
