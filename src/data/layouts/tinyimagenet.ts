import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LayoutReader } from '../layout-reader.js';
import { type ListedImage, listedDataset, marked, readRows, requireEntries } from '../listing.js';
import type { Walk } from '../walk.js';

const classesFile = 'wnids.txt';
const valFile = 'val/val_annotations.txt';
/** A name of the form n01443537 (WordNet's). */
const wnid = /^(n\d{8})$/;

/** TinyImageNet. Its validation images become `test`, because the published test images have no labels. */
export const tinyimagenet: LayoutReader = {
  layout: 'tinyimagenet',
  find: marked([classesFile], 'tiny-imagenet-200'),
  async open(folder, walk) {
    await requireEntries(folder, 'tinyimagenet', [classesFile, valFile], walk);
    const classNames = (await readRows(join(folder, classesFile), wnid, 'n01443537')).map(([name = '']) => name);
    const folders = classNames.map((className) => `train/${className}`);
    await requireEntries(folder, 'tinyimagenet', folders, walk);
    const train: ListedImage[] = [];
    for (const className of classNames) {
      for (const name of await namesOf(folder, className, walk)) {
        train.push({ className, file: `train/${className}/images/${name}` });
      }
    }
    const rows = await readRows(join(folder, valFile), /^([^\s/]+)\t(n\d{8})\t/, 'FILE, tab, n01443537, tab, box');
    const test = rows.map(([name, className = '']) => ({ className, file: `val/images/${name}` }));
    return listedDataset({ layout: 'tinyimagenet', folder, train, test, classNames, walk });
  },
};

/** The images of a class, from its list of bounding boxes, or from the folder, since some copies lack that list. */
async function namesOf(folder: string, className: string, walk: Walk): Promise<string[]> {
  const boxes = join(folder, 'train', className, `${className}_boxes.txt`);
  if (!existsSync(boxes)) return walk.names(join(folder, 'train', className, 'images'));
  return (await readRows(boxes, /^([^\s/]+)\t/, 'FILE, tab, box')).map(([name = '']) => name);
}
