import { join } from 'node:path';
import type { LayoutReader } from './layouts.js';
import { type ListedImage, listedDataset } from './listed-images.js';
import { findMarked, readRows, requireEntries } from './listing.js';

const classesFile = 'wnids.txt';
const valFile = 'val/val_annotations.txt';
/** A name of the form n01443537 (WordNet's). */
const wnid = /^(n\d{8})$/;

/** TinyImageNet. Its validation images become `test`: the distributed test images have no labels. */
export const tinyimagenet: LayoutReader = {
  layout: 'tinyimagenet',
  async find(folder, names) {
    return findMarked(folder, names, [classesFile], 'tiny-imagenet-200');
  },
  async open(folder) {
    await requireEntries(folder, 'tinyimagenet', [classesFile, valFile]);
    const classNames = (await readRows(join(folder, classesFile), wnid, 'n01443537')).map(([name = '']) => name);
    await requireEntries(folder, 'tinyimagenet', classNames.map(boxesFile));
    const train: ListedImage[] = [];
    for (const className of classNames) {
      // The bounding boxes are not needed, but they list every image of the class.
      const rows = await readRows(join(folder, boxesFile(className)), /^([^\s/]+)\t/, 'FILE, tab, box');
      for (const [name] of rows) train.push({ className, file: `train/${className}/images/${name}` });
    }
    const rows = await readRows(join(folder, valFile), /^([^\s/]+)\t(n\d{8})\t/, 'FILE, tab, n01443537, tab, box');
    const test = rows.map(([name, className = '']) => ({ className, file: `val/images/${name}` }));
    return listedDataset({ layout: 'tinyimagenet', folder, train, test, classNames });
  },
};

function boxesFile(className: string): string {
  return `train/${className}/${className}_boxes.txt`;
}
