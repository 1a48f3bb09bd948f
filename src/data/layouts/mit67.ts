import { join } from 'node:path';
import type { LayoutReader } from '../layout-reader.js';
import { classAndFile, type ListedImage, listedDataset, marked, readRows, requireEntries } from '../listing.js';

const trainFile = 'TrainImages.txt';
const testFile = 'TestImages.txt';
const imagesFolder = 'Images';

/** MIT's 67 indoor scenes. Images that are in neither list are not used. */
export const mit67: LayoutReader = {
  layout: 'mit67',
  find: marked([trainFile, testFile]),
  async open(folder, walk) {
    await requireEntries(folder, 'mit67', [trainFile, testFile, imagesFolder], walk);
    const train = await readList(join(folder, trainFile));
    const test = await readList(join(folder, testFile));
    return listedDataset({ layout: 'mit67', folder, train, test, walk });
  },
};

async function readList(file: string): Promise<ListedImage[]> {
  const rows = await readRows(file, classAndFile, 'CLASS/FILE.jpg');
  return rows.map(([className = '', name]) => ({ className, file: `${imagesFolder}/${className}/${name}` }));
}
