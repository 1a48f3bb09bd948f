import { basename, dirname, join } from 'node:path';
import type { Layout } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { type Dataset, trainAndTest } from './dataset.js';
import { type ImageList, imageFiles } from './image-list.js';
import { firstRepeated } from './layout-reader.js';
import type { Walk } from './walk.js';

/** An image in a data set's own lists. */
export interface ListedImage {
  readonly className: string;
  /** Path below the data set's folder, with slashes. */
  readonly file: string;
}

/** CLASS/FILE, neither of them hidden. File names may contain spaces. */
export const classAndFile = /^([^/.][^/]*)\/([^/.][^/]*)$/;

interface ListedDataset {
  readonly layout: Layout;
  readonly folder: string;
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
 *
 * Throws INVALID_DATA if a split has no images, an image is listed twice, is missing or has no valid class, or a class
 * has no training images; FILE_ACCESS.
 */
export async function listedDataset({ layout, folder, train, test, walk, ...given }: ListedDataset): Promise<Dataset> {
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
  const classNames = [...(given.classNames ?? new Set(all.map(({ className }) => className)))].sort();
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
