import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { shown } from '../../system/printable.js';
import { type LayoutReader, nameSome } from '../layout-reader.js';
import { classAndFile, type ListedImage, listedDataset, marked, readRows, requireEntries } from '../listing.js';
import { readMat } from '../matlab.js';

// Data sets whose own text files or MAT files list the images of each split.

const cubLabels = 'image_class_labels.txt';
const cubSplit = 'train_test_split.txt';

/** Caltech-UCSD Birds-200-2011, with its own split into training and test images. */
export const cub200: LayoutReader = {
  layout: 'cub200',
  find: marked([cubLabels, cubSplit], 'CUB_200_2011'),
  async open(folder, walk) {
    await requireEntries(folder, 'cub200', ['images.txt', cubLabels, cubSplit, 'classes.txt', 'images'], walk);
    const classes = await readById(folder, 'classes.txt', /^(\d+) (\S+)$/, 'ID CLASS');
    const paths = await readById(folder, 'images.txt', /^(\d+) ([^/.][^/]*\/[^/.][^/]*)$/, 'ID CLASS/FILE');
    const labels = await readById(folder, cubLabels, /^(\d+) (\d+)$/, 'IMAGE_ID CLASS_ID');
    const isTrain = await readById(folder, cubSplit, /^(\d+) ([01])$/, 'IMAGE_ID 0 or 1');
    requireSameIds(folder, paths, cubLabels, labels);
    requireSameIds(folder, paths, cubSplit, isTrain);
    const images = [...paths].map(([id, path]) => {
      const className = classes.get(labels.get(id) as string) ?? '';
      if (path.startsWith(`${className}/`)) return { id, className, file: `images/${path}` };
      throw invalidData(
        `${folder}: image ${shown(id)} is ${shown(path)}, but ${cubLabels} gives it the class ${shown(labels.get(id) ?? '')}, ${shown(className) || 'which is none'}. Extract the archive again.`,
      );
    });
    const train = images.filter(({ id }) => isTrain.get(id) === '1');
    const test = images.filter(({ id }) => isTrain.get(id) === '0');
    return listedDataset({ layout: 'cub200', folder, train, test, classNames: [...classes.values()], walk });
  },
};

/** Reads a file of lines "ID TEXT" into a map from id to text. */
async function readById(folder: string, name: string, pattern: RegExp, form: string): Promise<Map<string, string>> {
  const file = join(folder, name);
  const texts = new Map<string, string>();
  for (const [id = '', text = ''] of await readRows(file, pattern, form)) {
    if (texts.has(id)) throw invalidData(`${file} has id ${shown(id)} twice. Extract the archive again.`);
    texts.set(id, text);
  }
  return texts;
}

function requireSameIds(folder: string, paths: Map<string, string>, name: string, texts: Map<string, string>): void {
  const id = [...paths.keys(), ...texts.keys()].find((key) => !texts.has(key) || !paths.has(key));
  if (id === undefined) return;
  const [has, lacks] = paths.has(id) ? ['images.txt', name] : [name, 'images.txt'];
  throw invalidData(`${folder}: image ${shown(id)} is in ${has} but not in ${lacks}. Extract the archive again.`);
}

const mitLists = ['TrainImages.txt', 'TestImages.txt'] as const;

/** MIT's 67 indoor scenes. Images that are in neither list are not used. */
export const mit67: LayoutReader = {
  layout: 'mit67',
  find: marked(mitLists),
  async open(folder, walk) {
    await requireEntries(folder, 'mit67', [...mitLists, 'Images'], walk);
    const read = async (list: string): Promise<ListedImage[]> => {
      const rows = await readRows(join(folder, list), classAndFile, 'CLASS/FILE.jpg');
      return rows.map(([className = '', name]) => ({ className, file: `Images/${className}/${name}` }));
    };
    const [train, test] = [await read(mitLists[0]), await read(mitLists[1])];
    return listedDataset({ layout: 'mit67', folder, train, test, walk });
  },
};

/** Stanford's 40 actions. ACTION_train.txt and ACTION_test.txt list a class's images. All images lie in one folder. */
export const stanford40: LayoutReader = {
  layout: 'stanford40',
  find: marked(['ImageSplits']),
  async open(folder, walk) {
    await requireEntries(folder, 'stanford40', ['ImageSplits', 'JPEGImages'], walk);
    const lists = join(folder, 'ImageSplits');
    const names = await walk.names(lists);
    const actions = new Set(names.flatMap((name) => /^(.+)_(?:train|test)\.txt$/.exec(name)?.[1] ?? []));
    if (actions.size === 0) {
      throw invalidData(`${lists} has no ACTION_train.txt: it holds ${nameSome(names)}. Extract the archive again.`);
    }
    const files = [...actions].flatMap((name) => [`${name}_train.txt`, `${name}_test.txt`]);
    await requireEntries(lists, 'stanford40', files, walk);
    const read = async (split: string): Promise<ListedImage[]> => {
      const images: ListedImage[][] = [];
      for (const className of actions) {
        const rows = await readRows(join(lists, `${className}_${split}.txt`), /^([^/.][^/]*)$/, 'FILE.jpg');
        images.push(rows.map(([name]) => ({ className, file: `JPEGImages/${name}` })));
      }
      return images.flat();
    };
    const [train, test] = [await read('train'), await read('test')];
    return listedDataset({ layout: 'stanford40', folder, train, test, walk });
  },
};

const dogLists = ['train_list.mat', 'test_list.mat'] as const;

interface LabelledImage extends ListedImage {
  readonly label: number;
}

/** Stanford Dogs, with its own lists of training and test images. */
export const stanfordDogs: LayoutReader = {
  layout: 'stanford-dogs',
  find: async (folder) => (dogListsBelow(folder) === undefined ? undefined : folder),
  async open(folder, walk) {
    const lists = dogLists.map((name) => join(dogListsBelow(folder) ?? '', name)) as [string, string];
    await requireEntries(folder, 'stanford-dogs', [...lists, 'Images'], walk);
    const [train, test] = [await readDogs(join(folder, lists[0])), await readDogs(join(folder, lists[1]))];
    checkLabels(folder, [...train, ...test]);
    return listedDataset({ layout: 'stanford-dogs', folder, train, test, walk });
  },
};

/** The subfolder that holds at least one of the lists: '' or lists/, which is their archive's name. */
const dogListsBelow = (folder: string): string | undefined =>
  ['', 'lists'].find((below) => dogLists.some((name) => existsSync(join(folder, below, name))));

/** `file_list`: cells of CLASS/FILE; `labels`: a number for each. */
async function readDogs(file: string): Promise<LabelledImage[]> {
  const variables = await readMat(file, 2 ** 26);
  const paths = variables.get('file_list');
  const labels = variables.get('labels');
  if (paths?.kind !== 'cells' || labels?.kind !== 'numbers' || labels.data.length !== paths.cells.length) {
    throw invalidData(`${file} has no file_list with as many labels: it is no list of Stanford Dogs, or damaged.`);
  }
  return paths.cells.map((cell, index) => {
    const [, className, name] = (cell.kind === 'text' && classAndFile.exec(cell.text)) || [];
    if (className === undefined) {
      throw invalidData(`${file}: entry ${index} of file_list is not of the form CLASS/FILE.jpg.`);
    }
    return { className, file: `Images/${className}/${name}`, label: labels.data[index] as number };
  });
}

/** The class is the folder's name. If labels and folders do not correspond one to one, a list is damaged. */
function checkLabels(folder: string, images: readonly LabelledImage[]): void {
  const classes = new Set(images.map(({ className }) => className)).size;
  const labels = new Set(images.map(({ label }) => label)).size;
  const pairs = new Set(images.map(({ className, label }) => `${label} ${className}`)).size;
  if (pairs === classes && pairs === labels) return;
  throw invalidData(
    `${folder}: in ${dogLists.join(' and ')} ${labels} labels do not go one to one with ${classes} class folders. Fetch them again.`,
  );
}

const petLists = ['annotations/trainval.txt', 'annotations/test.txt'] as const;

/** A list's line: an image, which is called BREED_NUMBER; its class, 1 cat or 2 dog, the breed among cats or dogs. */
const petLine = /^(([^/.][^/\s]*)_\d+) (\d+) [12] \d+$/;

/** The Oxford-IIIT Pet data set, with its own lists of training and test images. The classes are the 37 breeds. */
export const oxfordPets: LayoutReader = {
  layout: 'oxford-iiit-pet',
  find: async (folder) =>
    [folder, join(folder, 'oxford-iiit-pet')].find((place) => petLists.some((list) => existsSync(join(place, list)))),
  async open(folder, walk) {
    await requireEntries(folder, 'oxford-iiit-pet', [...petLists, 'images'], walk);
    const breeds = new Map<string, string>();
    const read = async (list: string): Promise<ListedImage[]> => {
      const rows = await readRows(join(folder, list), petLine, 'BREED_NUMBER CLASS 1-or-2 BREED');
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
    const [train, test] = [await read(petLists[0]), await read(petLists[1])];
    return listedDataset({ layout: 'oxford-iiit-pet', folder, train, test, walk });
  },
};

const tinyTest = 'val/val_annotations.txt';

/** TinyImageNet. Its validation images become `test`, because the published test images have no labels. */
export const tinyimagenet: LayoutReader = {
  layout: 'tinyimagenet',
  find: marked(['wnids.txt'], 'tiny-imagenet-200'),
  async open(folder, walk) {
    await requireEntries(folder, 'tinyimagenet', ['wnids.txt', tinyTest], walk);
    const classNames = (await readRows(join(folder, 'wnids.txt'), /^(n\d{8})$/, 'n01443537')).flat();
    const folders = classNames.map((className) => `train/${className}`);
    await requireEntries(folder, 'tinyimagenet', folders, walk);
    const images: ListedImage[][] = [];
    for (const className of classNames) {
      // Some copies lack the class's list of bounding boxes.
      const boxes = join(folder, 'train', className, `${className}_boxes.txt`);
      const names = existsSync(boxes)
        ? (await readRows(boxes, /^([^\s/]+)\t/, 'FILE, tab, box')).flat()
        : await walk.names(join(folder, 'train', className, 'images'));
      images.push(names.map((name) => ({ className, file: `train/${className}/images/${name}` })));
    }
    const rows = await readRows(join(folder, tinyTest), /^([^\s/]+)\t(n\d{8})\t/, 'FILE, tab, n01443537, tab, box');
    const test = rows.map(([name, className = '']) => ({ className, file: `val/images/${name}` }));
    return listedDataset({ layout: 'tinyimagenet', folder, train: images.flat(), test, classNames, walk });
  },
};
