import { basename, dirname, extname, relative } from 'node:path';
import type { L2TError } from '../../errors.js';
import { type SplitName, splitNames } from '../../options/datasets.js';
import { invalidData } from '../../system/failures.js';
import { printable, shown } from '../../system/printable.js';
import { sum } from '../../system/statistics.js';
import { type Dataset, type ImageList, trainAndTest } from '../dataset.js';
import { decodeBytes } from '../decode.js';
import { firstRepeated, nameSome, type ReadingKind, splitCalled, type Walk } from '../layout-reader.js';
import { type Columns, chooseColumns, readFeatures, sameColumns } from './columns.js';
import { openParquet, type ParquetFile } from './file.js';
import { RowGroups } from './row-groups.js';

/** A label as the file has it; undefined if there is none. */
type Label = string | number | undefined;

/** Lists the images in Parquet files, `paths`, of the folder or file `path`. Reads their footers and their labels. */
export async function openTables(
  path: string,
  paths: readonly string[],
  kind: ReadingKind,
  walk: Walk,
): Promise<Dataset> {
  const root = paths[0] === path ? dirname(path) : path;
  if (root === path) checkComplete(paths);
  const { splits, flat, warnings } = sortBySplit(root, paths);
  const files = new Map<SplitName, ParquetFile[]>();
  for (const name of splitNames) {
    const opened: ParquetFile[] = [];
    for (const path of splits.get(name) ?? []) {
      walk.check();
      opened.push(await openParquet(path));
    }
    if (opened.some(({ groups }) => groups.some((rows) => rows > 0))) files.set(name, opened);
  }
  const columns = await columnsOf([...files.values()].flat(), root, kind, path);
  const splitsRead: { readonly name: SplitName; readonly first: number; readonly labels: readonly Label[] }[] = [];
  let first = 0;
  for (const [name, opened] of files) {
    const labels = await readLabels(opened, columns, walk);
    if (labels.some((label) => label !== undefined)) splitsRead.push({ name, first, labels });
    else warnings.push(`${path}: passed over the ${name} images, because none of the ${labels.length} has a label.`);
    first += labels.length;
  }
  if (splitsRead.length === 0) throw invalidData(`${path} holds no images with labels.`);
  const classNames = columns.classNames ?? namesOf(splitsRead.flatMap(({ labels }) => labels));
  const images = new RowGroups([...files.values()].flat(), columns.image);
  const lists: Partial<Record<SplitName, ImageList>> = {};
  for (const { name, first, labels } of splitsRead) {
    const classes = classesOf(labels, columns, classNames, (row) => images.name(first + row));
    lists[name] = toList(images, first, classes, root);
  }
  const { train, validation, test } = lists;
  const found = { train, validation, test, classNames, flat, warnings: warnings.map(printable) };
  const { image, label } = columns;
  return trainAndTest({ layout: 'parquet', folder: path, ...(label && { columns: { image, label } }), ...found });
}

/** The columns to read. Every file must have them, with the same classes. */
async function columnsOf(
  files: readonly ParquetFile[],
  root: string,
  kind: ReadingKind,
  path: string,
): Promise<Columns> {
  const [first, ...others] = files;
  if (first === undefined) throw invalidData(`${path} holds no images: its tables have no rows.`);
  const { features, from } = await readFeatures(first, root);
  const columns = chooseColumns(first.schema, features, kind, path);
  const twice = columns.classNames && firstRepeated(columns.classNames);
  if (twice !== undefined) throw invalidData(`${from} names the class '${shown(twice)}' twice.`);
  for (const file of others) {
    const same = sameColumns(file.schema, (await readFeatures(file, root)).features, columns);
    if (JSON.stringify(same) !== JSON.stringify(columns)) throw otherColumns(file, first, columns);
  }
  return columns;
}

function otherColumns(file: ParquetFile, first: ParquetFile, { image, label }: Columns): L2TError {
  const has = file.schema.children.map(({ element }) => element.name);
  const missing = [image, label].find((name) => name !== undefined && !has.includes(name));
  const differing =
    missing === undefined
      ? `${file.path} and ${first.path} differ in the type of ${shown(image)}${label === undefined ? '' : ` or ${shown(label)}, or in the classes`}`
      : `${file.path} has the columns ${nameSome(has)}, but not ${shown(missing)}, which ${first.path} has`;
  return invalidData(`${differing}. All files of a data set must have the same columns and classes.`);
}

/** The class of every image whose label is not read. */
const unlabelled = 'none';

async function readLabels(files: readonly ParquetFile[], { label, labels }: Columns, walk: Walk): Promise<Label[]> {
  if (label === undefined) return new Array<Label>(sum(files.flatMap(({ groups }) => groups))).fill(unlabelled);
  const all: Label[] = [];
  for (const file of files) {
    let first = 0;
    for (const [group, rows] of file.groups.entries()) {
      walk.check();
      if (rows === 0) continue;
      const { values } = await file.read(group, label);
      values.forEach((value, row) => {
        // Two such labels may be the same JavaScript number.
        if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) {
          throw invalidData(
            `${file.path}, row ${first + row} has label ${value}, and labels beyond 2^53 - 1 are not read: write them as texts.`,
          );
        }
        all.push(toLabel(value, labels));
      });
      first += values.length;
    }
  }
  return all;
}

/** Hugging Face writes −1 for the class of an image whose class is kept secret. */
function toLabel(value: unknown, labels: Columns['labels']): Label {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
  const number = Number(value);
  return labels === 'classes' && number === -1 ? undefined : number;
}

/** Texts sorted by code unit, numbers by size. */
const namesOf = (labels: readonly Label[]): string[] =>
  [...new Set(labels.filter((label) => label !== undefined))]
    .sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : a < b ? -1 : 1))
    .map(String);

function classesOf(
  labels: readonly Label[],
  { classNames: declared }: Columns,
  classNames: readonly string[],
  name: (row: number) => string,
): Int32Array {
  const index = new Map(classNames.map((className, k) => [className, k]));
  return Int32Array.from(labels, (label, k) => {
    if (declared === undefined && label !== undefined) return index.get(String(label)) as number;
    const number = Number(label);
    if (number >= 0 && number < classNames.length) return number;
    if (label === undefined) throw invalidData(`${name(k)} has no label: remove it, or give it one.`);
    throw invalidData(`${name(k)} has label ${label}, but there are ${classNames.length} classes.`);
  });
}

/** The images from row `first` on. */
function toList(images: RowGroups, first: number, labels: Int32Array, root: string): ImageList {
  const name = (index: number) => images.name(first + index);
  return {
    count: labels.length,
    labels,
    sides: undefined,
    name,
    file: (index) => images.placeOf(first + index).file.path,
    read: async (index, reduction) => decodeBytes(await images.image(first + index), name(index), reduction),
    position: (index) => index,
    // The footer has the length of everything in the file, so it is another one if an image is.
    identity: async (index) => {
      const { file, row } = images.placeOf(first + index);
      return JSON.stringify([relative(root, file.path), file.size, file.digest, images.column, row]);
    },
    hold(indices, signal) {
      const rows = indices.map((index) => first + index);
      return images.hold(rows, `Loading ${root}`, signal);
    },
  };
}

/**
 * Sorts files by the split that their names tell, or else the name of their folder. If no name tells one, all are of
 * `train` (`flat`); else those that tell none are passed over, with a warning.
 *
 * Throws INVALID_DATA if a split's files are in several folders.
 */
export function sortBySplit(root: string, paths: readonly string[]) {
  const splits = new Map<SplitName, string[]>();
  const without: string[] = [];
  for (const path of paths) {
    const split = splitOf(relative(root, path));
    if (split === undefined) without.push(path);
    else splits.set(split, [...(splits.get(split) ?? []), path]);
  }
  const flat = splits.size === 0;
  if (flat) splits.set('train', without);
  for (const [split, files] of splits) {
    const folders = [...new Set(files.map(dirname))];
    if (folders.length === 1) continue;
    throw invalidData(
      `${root} has files of the split ${split} in several folders: ${nameSome(folders)}. Name one folder, or move the others away.`,
    );
  }
  const warnings: string[] = [];
  if (!flat && without.length > 0) {
    const some = nameSome(without.map((path) => relative(root, path)));
    warnings.push(`${root}: passed over files whose names tell no split: ${some}.`);
  }
  return { splits, flat, warnings };
}

/** By a word of the file's name, the first of which counts most, or by its folder. */
function splitOf(path: string): SplitName | undefined {
  const words = basename(path, extname(path)).split(/[^a-z]+/i);
  const [split, another] = new Set(words.map(splitCalled).filter((each) => each !== undefined));
  if (split !== undefined && another === undefined) return split;
  return splitCalled(words[0] as string) ?? splitCalled(basename(dirname(path)));
}

/** The end of the name of one of several files: train-00000-of-00002.parquet. */
const numbered = /-(\d{5})-of-(\d{5})(?=\.parquet$)/i;

/** Throws INVALID_DATA, naming the file, if one of several that belong together is missing. */
export function checkComplete(paths: readonly string[]): void {
  const present = new Set(paths);
  for (const path of paths) {
    const [, , count = '0'] = numbered.exec(path) ?? [];
    for (let k = 0; k < Number(count); k++) {
      const other = path.replace(numbered, `-${String(k).padStart(5, '0')}-of-${count}`);
      if (present.has(other)) continue;
      throw invalidData(`${other} is missing: ${basename(path)} belongs to it. Download it, too.`);
    }
  }
}
