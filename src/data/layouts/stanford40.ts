import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { type LayoutReader, nameSome } from '../layout-reader.js';
import { type ListedImage, listedDataset, marked, readRows, requireEntries } from '../listing.js';

const listsFolder = 'ImageSplits';
const imagesFolder = 'JPEGImages';

/** Stanford's 40 actions. ACTION_train.txt and ACTION_test.txt list a class's images. All images lie in one folder. */
export const stanford40: LayoutReader = {
  layout: 'stanford40',
  find: marked([listsFolder]),
  async open(folder, walk) {
    await requireEntries(folder, 'stanford40', [listsFolder, imagesFolder], walk);
    const lists = join(folder, listsFolder);
    const names = await walk.names(lists);
    const actions = new Set(names.flatMap((name) => /^(.+)_(?:train|test)\.txt$/.exec(name)?.[1] ?? []));
    if (actions.size === 0) {
      throw invalidData(`${lists} has no ACTION_train.txt: it holds ${nameSome(names)}. Extract the archive again.`);
    }
    const files = [...actions].flatMap((name) => [`${name}_train.txt`, `${name}_test.txt`]);
    await requireEntries(lists, 'stanford40', files, walk);
    const train = await readLists(lists, actions, 'train');
    const test = await readLists(lists, actions, 'test');
    return listedDataset({ layout: 'stanford40', folder, train, test, walk });
  },
};

async function readLists(folder: string, actions: Iterable<string>, split: string): Promise<ListedImage[]> {
  const images: ListedImage[] = [];
  for (const className of actions) {
    const rows = await readRows(join(folder, `${className}_${split}.txt`), /^([^/.][^/]*)$/, 'FILE.jpg');
    for (const [name] of rows) images.push({ className, file: `${imagesFolder}/${name}` });
  }
  return images;
}
