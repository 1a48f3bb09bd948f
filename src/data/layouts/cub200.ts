import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { shown } from '../../system/printable.js';
import type { LayoutReader } from '../layout-reader.js';
import { listedDataset, marked, readRows, requireEntries } from '../listing.js';

const imagesFile = 'images.txt';
const labelsFile = 'image_class_labels.txt';
const splitFile = 'train_test_split.txt';
const classesFile = 'classes.txt';

/** Caltech-UCSD Birds-200-2011, with its own split into training and test images. */
export const cub200: LayoutReader = {
  layout: 'cub200',
  find: marked([labelsFile, splitFile], 'CUB_200_2011'),
  async open(folder, walk) {
    await requireEntries(folder, 'cub200', [imagesFile, labelsFile, splitFile, classesFile, 'images'], walk);
    const classes = await readById(folder, classesFile, /^(\d+) (\S+)$/, 'ID CLASS');
    const paths = await readById(folder, imagesFile, /^(\d+) ([^/.][^/]*\/[^/.][^/]*)$/, 'ID CLASS/FILE');
    const labels = await readById(folder, labelsFile, /^(\d+) (\d+)$/, 'IMAGE_ID CLASS_ID');
    const isTrain = await readById(folder, splitFile, /^(\d+) ([01])$/, 'IMAGE_ID 0 or 1');
    checkSameImages(folder, paths, labelsFile, labels);
    checkSameImages(folder, paths, splitFile, isTrain);
    const images = [...paths].map(([id, path]) => {
      const className = classes.get(labels.get(id) as string) ?? '';
      if (path.startsWith(`${className}/`)) return { id, className, file: `images/${path}` };
      throw invalidData(
        `${folder}: image ${shown(id)} is ${shown(path)}, but ${labelsFile} gives it the class ${shown(labels.get(id) ?? '')}, ${shown(className) || 'which is none'}. Extract the archive again.`,
      );
    });
    return listedDataset({
      layout: 'cub200',
      folder,
      train: images.filter(({ id }) => isTrain.get(id) === '1'),
      test: images.filter(({ id }) => isTrain.get(id) === '0'),
      classNames: [...classes.values()],
      walk,
    });
  },
};

/** Reads a file of lines "ID TEXT" into a map from id to text. */
async function readById(folder: string, name: string, pattern: RegExp, form: string): Promise<Map<string, string>> {
  const file = join(folder, name);
  const said = new Map<string, string>();
  for (const [id = '', text = ''] of await readRows(file, pattern, form)) {
    if (said.has(id)) throw invalidData(`${file} has id ${shown(id)} twice. Extract the archive again.`);
    said.set(id, text);
  }
  return said;
}

function checkSameImages(folder: string, paths: Map<string, string>, name: string, said: Map<string, string>): void {
  const id = [...paths.keys()].find((key) => !said.has(key)) ?? [...said.keys()].find((key) => !paths.has(key));
  if (id === undefined) return;
  const [has, lacks] = paths.has(id) ? [imagesFile, name] : [name, imagesFile];
  throw invalidData(`${folder}: image ${shown(id)} is in ${has} but not in ${lacks}. Extract the archive again.`);
}
