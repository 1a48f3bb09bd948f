import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import type { LayoutReader } from '../layout-reader.js';
import { classAndFile, type ListedImage, listedDataset, requireEntries } from '../listing.js';
import { readMat } from '../matlab.js';

const trainFile = 'train_list.mat';
const testFile = 'test_list.mat';
const imagesFolder = 'Images';
const maxFileBytes = 2 ** 26;

interface LabelledImage extends ListedImage {
  readonly label: number;
}

/** Stanford Dogs, with its own lists of training and test images. */
export const stanfordDogs: LayoutReader = {
  layout: 'stanford-dogs',
  async find(folder) {
    return findLists(folder) === undefined ? undefined : folder;
  },
  async open(folder, walk) {
    const lists = findLists(folder) ?? '';
    await requireEntries(folder, 'stanford-dogs', [join(lists, trainFile), join(lists, testFile), imagesFolder], walk);
    const train = await readList(join(folder, lists, trainFile));
    const test = await readList(join(folder, lists, testFile));
    checkLabels(folder, [...train, ...test]);
    return listedDataset({ layout: 'stanford-dogs', folder, train, test, walk });
  },
};

/** The subfolder that holds at least one of the lists: '' or lists/, which is their archive's name. */
function findLists(folder: string): string | undefined {
  return ['', 'lists'].find((below) => [trainFile, testFile].some((name) => existsSync(join(folder, below, name))));
}

/** `file_list`: cells of CLASS/FILE; `labels`: a number for each. */
async function readList(file: string): Promise<LabelledImage[]> {
  const variables = await readMat(file, maxFileBytes);
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
    return { className, file: `${imagesFolder}/${className}/${name}`, label: labels.data[index] as number };
  });
}

/** The class is the folder's name. If labels and folders do not correspond one to one, a list is damaged. */
function checkLabels(folder: string, images: readonly LabelledImage[]): void {
  const classes = new Set(images.map(({ className }) => className)).size;
  const labels = new Set(images.map(({ label }) => label)).size;
  const pairs = new Set(images.map(({ className, label }) => `${label} ${className}`)).size;
  if (pairs === classes && pairs === labels) return;
  throw invalidData(
    `${folder}: in ${trainFile} and ${testFile} ${labels} labels do not go one to one with ${classes} class folders. Fetch them again.`,
  );
}
