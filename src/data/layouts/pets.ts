import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { shown } from '../../system/printable.js';
import type { LayoutReader } from '../layout-reader.js';
import { type ListedImage, listedDataset, readRows, requireEntries } from '../listing.js';

const layout = 'oxford-iiit-pet';
const [trainList, testList] = ['annotations/trainval.txt', 'annotations/test.txt'] as const;

/** A list's line: an image, which is called BREED_NUMBER; its class, 1 cat or 2 dog, the breed among cats or dogs. */
const line = /^(([^/.][^/\s]*)_\d+) (\d+) [12] \d+$/;

/** The Oxford-IIIT Pet data set, with its own lists of training and test images. The classes are the 37 breeds. */
export const oxfordPets: LayoutReader = {
  layout,
  find: async (folder) =>
    [folder, join(folder, layout)].find((place) => [trainList, testList].some((list) => existsSync(join(place, list)))),
  async open(folder, walk) {
    await requireEntries(folder, layout, [trainList, testList, 'images'], walk);
    const breeds = new Map<string, string>();
    const read = async (list: string): Promise<ListedImage[]> => {
      const rows = await readRows(join(folder, list), line, 'BREED_NUMBER CLASS 1-or-2 BREED');
      return rows.map(([image, className = '', id = '']) => {
        const other = breeds.get(id) ?? className;
        if (other === className) breeds.set(id, className);
        else
          throw invalidData(
            `${folder}: in its lists, class ${id} is ${shown(other)} and ${shown(className)}. Extract the archive again.`,
          );
        return { className, file: `images/${image}.jpg` };
      });
    };
    const [train, test] = [await read(trainList), await read(testList)];
    return listedDataset({ layout, folder, train, test, walk });
  },
};
