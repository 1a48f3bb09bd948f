import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Layout } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { type Dataset, type ImageList, imageFiles, trainAndTest } from './dataset.js';
import { firstRepeated, type LayoutReader, maxUnknown, nameSome, type Walk } from './layout-reader.js';
import { readWhole } from './reading.js';

const maxListBytes = 2 ** 26;

/** Finds the folder itself if one of `marks` is among its entries, else the archive's own folder inside it. */
export const marked =
  (marks: readonly string[], archiveFolder?: string): LayoutReader['find'] =>
  async (folder, names) => {
    if (marks.some((mark) => names.includes(mark))) return folder;
    return archiveFolder !== undefined && names.includes(archiveFolder) ? join(folder, archiveFolder) : undefined;
  };

/** Throws INVALID_DATA if a file or folder in `names` is missing; names it and the entries that are there. */
export async function requireEntries(
  folder: string,
  layout: Layout,
  names: readonly string[],
  walk: Walk,
): Promise<void> {
  const missing = names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return;
  throw invalidData(
    `${folder} is a ${layout} folder without ${nameSome(missing)}: it holds ${nameSome(await walk.names(folder, maxUnknown))}. Put them there, or extract the archive again.`,
  );
}

/** The groups of `pattern` in each line of a text file, without blank lines. `form`: the pattern in words, for messages. */
export async function readRows(file: string, pattern: RegExp, form: string): Promise<string[][]> {
  const lines = (await readWhole(file, maxListBytes)).toString('utf8').split('\n');
  const rows: string[][] = [];
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    if (text === '') continue;
    const groups = pattern.exec(text)?.slice(1);
    if (groups === undefined) {
      throw invalidData(`${file}, line ${index + 1}: '${shown(text)}' is not of the form ${form}.`);
    }
    rows.push(groups);
  }
  if (rows.length === 0) throw invalidData(`${file} is empty. Extract the archive again.`);
  return rows;
}

/**
 * Reads class names from a text file, one a line. Blank lines are ignored.
 * Throws INVALID_DATA if a name occurs twice, there are no names, or not as many as `expected`; FILE_ACCESS.
 */
export async function readClassNames(file: string, expected?: number): Promise<string[]> {
  const lines = (await readWhole(file, 2 ** 20)).toString('utf8').split('\n');
  const names = lines.map((line) => line.trim()).filter((line) => line !== '');
  const twice = firstRepeated(names);
  if (twice !== undefined) throw invalidData(`${file} names the class '${shown(twice)}' twice.`);
  if (names.length > 0 && names.length === (expected ?? names.length)) return names;
  throw invalidData(`${file} names ${names.length} classes, not ${expected ?? 'one or more'}.`);
}

/** An image in a data set's own lists. */
export interface ListedImage {
  readonly className: string;
  /** Path below the data set's folder, with slashes. */
  readonly file: string;
}

/** CLASS/FILE, neither of them hidden. File names may contain spaces. */
export const classAndFile = /^([^/.][^/]*)\/([^/.][^/]*)$/;

interface ListedDataset extends Pick<Dataset, 'layout' | 'folder'> {
  readonly train: readonly ListedImage[];
  readonly test: readonly ListedImage[];
  /** If absent, the classes are those of the images. */
  readonly classNames?: readonly string[];
  readonly walk: Walk;
}

/**
 * A data set whose own lists name the images and classes of each split. Classes are sorted by name, the images of each
 * split by class, then by file, all by code unit. Published splits use indices into this order, which is that of class
 * folders.
 */
export async function listedDataset({ layout, folder, train, test, walk, ...lists }: ListedDataset): Promise<Dataset> {
  const all = [...train, ...test];
  if (train.length === 0 || test.length === 0) {
    const what = train.length === 0 ? 'training' : 'test';
    throw invalidData(`${folder}: its lists name no ${what} images. Extract the archive again.`);
  }
  const twice = firstRepeated(all.map(({ file }) => file));
  if (twice !== undefined) {
    throw invalidData(`${folder}: its lists name ${shown(twice)} twice. Extract the archive again.`);
  }
  const missing = await missingFrom(folder, all, walk);
  if (missing[0] !== undefined) {
    throw invalidData(
      `${folder}: its lists name ${missing.length} images (of ${all.length}) that are not there, first: ${shown(missing[0].file)}. Extract the archive again.`,
    );
  }
  const classNames = [...(lists.classNames ?? new Set(all.map(({ className }) => className)))].sort();
  const split = (images: readonly ListedImage[]) => sortedList(folder, images, classNames);
  return trainAndTest({ layout, folder, train: split(train), test: split(test), classNames });
}

/** The images whose files do not exist. Lists each folder once, because there may be hundreds of thousands of files. */
export async function missingFrom<I extends ListedImage>(
  folder: string,
  images: readonly I[],
  walk: Walk,
): Promise<I[]> {
  const present = new Map<string, ReadonlySet<string>>();
  for (const below of new Set(images.map(({ file }) => dirname(file)))) {
    present.set(below, new Set(await walk.names(join(folder, below))));
  }
  return images.filter(({ file }) => !present.get(dirname(file))?.has(basename(file)));
}

/**
 * The images sorted by class, then by file, both by code unit. Throws INVALID_DATA if the class of one is none of
 * `classNames`.
 */
export function sortedList(folder: string, images: readonly ListedImage[], classNames: readonly string[]): ImageList {
  const labelOf = new Map(classNames.map((name, label) => [name, label]));
  const labelled = images.map(({ file, className }) => {
    const label = labelOf.get(className);
    if (label !== undefined) return { file, label };
    throw invalidData(
      `${folder}: ${shown(file)} is of class '${shown(className)}', which is none of the ${classNames.length} classes.`,
    );
  });
  labelled.sort((a, b) => a.label - b.label || (a.file < b.file ? -1 : 1));
  const files = labelled.map(({ file }) => file);
  const labels = labelled.map(({ label }) => label);
  return imageFiles(folder, files, labels);
}
