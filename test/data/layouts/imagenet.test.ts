import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDataset } from '../../../src/data/load.js';
import { writeImagenet } from '../../fixtures/layouts.js';
import { temporaryFolder } from '../generate.js';
import { itRefuses, remove, replace } from './reading.js';

// listed.test.ts shows which images ImageNet has, in which order.
it('imagenet: warns of what it passes over', async () => {
  const folder = temporaryFolder();
  await writeImagenet(folder);
  expect((await openDataset(folder)).warnings).toEqual([
    expect.stringMatching(/passed over 1 entries .*n01000001.notes\.txt/),
  ]);
});

itRefuses('imagenet', writeImagenet, [
  [/val holds ILSVRC2012_val_00000001\.JPEG .*Sort them into class folders/, flattenVal],
  [/n03000001\.tar is not extracted\. Extract it into a folder n03000001/, replace('train/n03000001.tar', '')],
  [/train lacks 1 class folders that .*val has: n02000001/, remove('train/n02000001')],
  [/train.n01000001 has no images: it holds notes\.txt/, remove('train/n01000001/n01000001_1.JPEG')],
]);

function flattenVal(folder: string): void {
  for (const name of ['n01000001', 'n02000001']) {
    for (const file of readdirSync(join(folder, 'val', name)))
      renameSync(join(folder, 'val', name, file), join(folder, 'val', file));
    rmSync(join(folder, 'val', name), { recursive: true });
  }
}
