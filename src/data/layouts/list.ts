import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { L2TError } from '../../errors.js';
import { type SplitName, splitNames } from '../../options/datasets.js';
import { invalidData, invalidOption } from '../../system/failures.js';
import { shown } from '../../system/printable.js';
import { trainAndTest } from '../dataset.js';
import { type ColumnNames, type LayoutReader, nameSome } from '../layout-reader.js';
import { type ListedImage, missingFrom, sortedList } from '../listing.js';
import { splitCalled, splitWords } from '../split-names.js';
import { isJsonLines, type Row, readHeader, readTable } from '../tables.js';
import type { Walk } from '../walk.js';

const isList = /\.(csv|jsonl)$/i;

/** The columns of images and of labels where none is named; file_name is Hugging Face's. */
const usual = { imageColumn: ['file', 'file_name'], labelColumn: ['label'] };

interface Listed extends ListedImage {
  readonly split: SplitName | undefined;
  readonly line: number;
}

/**
 * A CSV file with a header, or JSON-lines, with the columns `file` (or `file_name`) and `label`, and `split` if there
 * are several. It is given itself, or as the only such file of a folder. Files are relative to it and may lie anywhere.
 * Classes are sorted, images by class and then by file, all by code unit, as in class folders.
 */
export const list: LayoutReader = {
  layout: 'list',
  file: isList,
  hasColumns: true,
  async find(folder, names, walk, asked) {
    const lists = names.filter((each) => isList.test(each));
    const [name, another] = lists;
    if (name === undefined) return undefined;
    const file = join(folder, name);
    if (asked.layout !== undefined) {
      // `open` says what is wrong with it.
      if (another === undefined) return file;
      throw invalidData(`${folder} has several lists: ${nameSome(lists)}. Give one of them as the data.`);
    }
    if (another !== undefined) return undefined;
    walk.check();
    // A table for another purpose may lie beside class folders.
    const has = await readHeader(file).catch((error: unknown) => {
      if (error instanceof L2TError) return [];
      throw error;
    });
    return pick(has, asked, 'imageColumn') && pick(has, asked, 'labelColumn') ? file : undefined;
  },
  async open(file, walk, columns) {
    const images = await readList(file, columns, walk);
    const root = dirname(file);
    // Before checkOnce: if the columns are swapped, the classes stand for files, and most are there twice.
    await checkPresent(file, images, walk);
    checkOnce(file, images);
    const classNames = [...new Set(images.map(({ className }) => className))].sort();
    const flat = images.every(({ split }) => split === undefined);
    const [train, validation, test] = splitNames.map((name) => {
      const own = images.filter(({ split }) => (split ?? 'train') === name);
      return own.length === 0 ? undefined : sortedList(root, own, classNames);
    });
    return trainAndTest({ layout: 'list', folder: file, train, validation, test, classNames, flat });
  },
};

/** The column that the person names, or else the first usual one; undefined if the table does not have it. */
function pick(has: readonly string[], given: ColumnNames, option: keyof ColumnNames): string | undefined {
  const asked = given[option];
  return (asked === undefined ? usual[option] : [asked]).find((name) => has.includes(name));
}

async function readList(file: string, columns: ColumnNames, walk: Walk): Promise<Listed[]> {
  const has = await readHeader(file);
  const hasSplits = has.includes('split');
  const image = requireColumn(file, has, columns, 'imageColumn');
  const label = requireColumn(file, has, columns, 'labelColumn');
  const images: Listed[] = [];
  for await (const row of readTable(file)) {
    walk.check();
    // JSON-lines may differ in their names; images of a test must not train because the first line has no split.
    if (!hasSplits && row.cells.has('split')) {
      throw invalidData(`${file}, line ${row.line} has a split, but the first line has none: give each line one.`);
    }
    images.push({
      file: relative(dirname(file), resolve(dirname(file), cell(file, row, image))),
      className: labelOf(file, row, label),
      split: hasSplits ? splitOf(file, row, cell(file, row, 'split')) : undefined,
      line: row.line,
    });
  }
  if (images.length === 0) throw invalidData(`${file} lists no images.`);
  return images;
}

function requireColumn(file: string, has: readonly string[], given: ColumnNames, option: keyof ColumnNames): string {
  const found = pick(has, given, option);
  if (found !== undefined) return found;
  const named = given[option];
  if (named !== undefined) {
    throw invalidOption(`{${option}}: ${file} has no column '${shown(named)}'; it has ${nameSome(has)}.`);
  }
  // In JSON-lines the first line has the names.
  const where = isJsonLines(file) ? `${file}, line 1` : file;
  throw invalidData(
    `${where} has no column ${usual[option].join(' or ')}: it has ${nameSome(has)}. Name the column with {${option}}.`,
  );
}

/** The text of a cell. Throws INVALID_DATA, saying what is `allowed`, if it is empty or no text. */
function cell(file: string, { line, cells }: Row, column: string, allowed = 'a text'): string {
  const value = cells.get(column);
  if (typeof value === 'string' && value !== '') return value;
  const named = `${file}, line ${line}: '${shown(column)}'`;
  if (value === '' || value === undefined || value === null) throw invalidData(`${named} is empty.`);
  throw invalidData(`${named} is ${shown(JSON.stringify(value))}: it must be ${allowed}.`);
}

/** A label: a text, or in JSON a whole number. JavaScript reads two larger numbers, or two fractions, as the same one. */
function labelOf(file: string, row: Row, column: string): string {
  const value = row.cells.get(column);
  if (Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'number') return cell(file, row, column, 'a text or a whole number');
  throw invalidData(
    `${file}, line ${row.line}: '${shown(column)}' is a number, but not a whole one from -(2^53 - 1) to 2^53 - 1: write it as a text, in quotes.`,
  );
}

function splitOf(file: string, { line }: Row, name: string): SplitName {
  const split = splitCalled(name);
  if (split !== undefined) return split;
  throw invalidData(`${file}, line ${line}: '${shown(name)}' is no split: it must be one of ${splitWords}.`);
}

function checkOnce(file: string, images: readonly Listed[]): void {
  const lines = new Map<string, number>();
  for (const { file: image, line } of images) {
    const before = lines.get(image);
    if (before !== undefined) {
      throw invalidData(`${file}, line ${line}: ${shown(image)} is in line ${before}, too: remove one.`);
    }
    lines.set(image, line);
  }
}

async function checkPresent(file: string, images: readonly Listed[], walk: Walk): Promise<void> {
  const root = dirname(file);
  // Hidden files are not listed.
  const missing = (await missingFrom(root, images, walk)).filter((image) => !existsSync(join(root, image.file)));
  const [first] = missing;
  if (first === undefined) return;
  const others = missing.length > 1 ? ` (and ${missing.length - 1} more of the ${images.length} images)` : '';
  throw invalidData(
    `${file}, line ${first.line}: there is no image ${shown(join(root, first.file))}${others}. Paths are relative to the list.`,
  );
}
