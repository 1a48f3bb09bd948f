import { isUtf8 } from 'node:buffer';
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Readable } from 'node:stream';
import type { Info } from 'csv-parse';
import { L2TError } from '../../errors.js';
import { type SplitName, splitNames } from '../../options/datasets.js';
import { invalidData, invalidOption } from '../../system/failures.js';
import { parseJson } from '../../system/json.js';
import { counted, shown } from '../../system/printable.js';
import { trainAndTest } from '../dataset.js';
import {
  type ColumnNames,
  firstRepeated,
  type LayoutReader,
  nameSome,
  type ReadingKind,
  splitCalled,
  splitWords,
  type Walk,
} from '../layout-reader.js';
import { type ListedImage, missingFrom, sortedList } from '../listing.js';
import { readWhole } from '../reading.js';

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
    const labelled = asked.labels === false || pick(has, asked, 'labelColumn');
    return pick(has, asked, 'imageColumn') && labelled ? file : undefined;
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
      const ofSplit = images.filter(({ split }) => (split ?? 'train') === name);
      return ofSplit.length === 0 ? undefined : sortedList(root, ofSplit, classNames);
    });
    return trainAndTest({ layout: 'list', folder: file, train, validation, test, classNames, flat });
  },
};

/** The column that the person names, or else the first usual one; undefined if the table does not have it. */
function pick(has: readonly string[], columns: ColumnNames, option: keyof ColumnNames): string | undefined {
  const asked = columns[option];
  return (asked === undefined ? usual[option] : [asked]).find((name) => has.includes(name));
}

async function readList(file: string, columns: ReadingKind, walk: Walk): Promise<Listed[]> {
  const has = await readHeader(file);
  const hasSplits = has.includes('split');
  const image = requireColumn(file, has, columns, 'imageColumn');
  const label = columns.labels === false ? undefined : requireColumn(file, has, columns, 'labelColumn');
  const images: Listed[] = [];
  for await (const row of readTable(file)) {
    walk.check();
    // JSON-lines may differ in their names; images of a test must not train because the first line has no split.
    if (!hasSplits && row.cells.has('split')) {
      throw invalidData(`${file}, line ${row.line} has a split, but the first line has none: give each line one.`);
    }
    images.push({
      file: relative(dirname(file), resolve(dirname(file), cell(file, row, image))),
      className: label === undefined ? '' : labelOf(file, row, label),
      split: hasSplits ? splitOf(file, row, cell(file, row, 'split')) : undefined,
      line: row.line,
    });
  }
  if (images.length === 0) throw invalidData(`${file} lists no images.`);
  return images;
}

function requireColumn(file: string, has: readonly string[], columns: ColumnNames, option: keyof ColumnNames): string {
  const found = pick(has, columns, option);
  if (found !== undefined) return found;
  const named = columns[option];
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

/** A row of a table. */
interface Row {
  /** Its line in the file, from 1. */
  readonly line: number;
  /** By the names of the columns. In CSV every cell is a text; in JSON-lines it is any value. */
  readonly cells: ReadonlyMap<string, unknown>;
}

const maxFileBytes = 2 ** 28;
/** Bytes that are parsed at once. */
const piece = 2 ** 16;
/** Characters of a row: a quote that is never closed would swallow the whole file. */
const longestRow = 2 ** 20;

/** Checks whether a file is JSON-lines, by its name. */
const isJsonLines = (file: string): boolean => /\.jsonl$/i.test(file);

/** The rows of a CSV file with a header, or of a file of JSON-lines: one object a line. */
async function* readTable(file: string): AsyncGenerator<Row, void> {
  const bytes = await readWhole(file, maxFileBytes);
  if (!isUtf8(bytes)) throw notUtf8(file, bytes);
  yield* isJsonLines(file) ? jsonRows(file, bytes) : csvRows(file, bytes);
}

function notUtf8(file: string, bytes: Buffer): L2TError {
  const lines = bytes.toString('latin1').split('\n');
  const line = 1 + lines.findIndex((text) => !isUtf8(Buffer.from(text, 'latin1')));
  return invalidData(`${file}, line ${line}: this is not UTF-8. Save the file as UTF-8.`);
}

/** The names of a table's columns; of JSON-lines those of the first line. */
async function readHeader(file: string): Promise<string[]> {
  for await (const { cells } of readTable(file)) return [...cells.keys()];
  throw invalidData(`${file} has no rows.`);
}

async function* csvRows(file: string, bytes: Buffer): AsyncGenerator<Row, void> {
  // Imported where it is used: most data sets are no tables.
  const { parse } = await import('csv-parse');
  const lenient = { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true };
  // Each of them, since the header may have come from elsewhere than the rows.
  const lines = { record_delimiter: ['\r\n', '\n', '\r'] };
  const parser = Readable.from(pieces(bytes)).pipe(
    parse({ ...lenient, ...lines, info: true, max_record_size: longestRow }),
  );
  let header: readonly string[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      if (header === undefined) header = checkHeader(file, record);
      else yield { line: info.lines, cells: cellsOf(file, info.lines, header, record) };
    }
  } catch (error) {
    const { code = '', lines } = error as { readonly code?: string; readonly lines?: number };
    const problem = csvProblems[code];
    throw problem === undefined ? error : invalidData(`${file}, line ${lines}: ${problem}.`, error);
  }
}

function cellsOf(file: string, line: number, header: readonly string[], record: readonly string[]) {
  if (record.length === header.length) return new Map(header.map((name, k) => [name, record[k]]));
  const cells = counted(record.length, 'cell');
  const advice = record.length > header.length ? ' Put a cell that contains a comma in quotes.' : '';
  throw invalidData(`${file}, line ${line} has ${cells}, the header ${header.length}.${advice}`);
}

/** Few rows at a time, so that only these are in memory as cells. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

/** The meanings of the CSV library's error codes. */
const csvProblems: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened, but not closed',
  CSV_INVALID_CLOSING_QUOTE: 'a comma is missing behind the closing quote',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: 'a comma is missing behind the closing quote',
  INVALID_OPENING_QUOTE: 'a quote is in the middle of a cell: put the whole cell in quotes, and double the one in it',
  CSV_MAX_RECORD_SIZE: `the row is longer than ${longestRow} characters: is a quote not closed?`,
};

function checkHeader(file: string, names: readonly string[]): readonly string[] {
  const [only = ''] = names;
  if (names.length === 1 && /[;\t]/.test(only)) {
    const found = only.includes(';') ? 'semicolons' : 'tabs';
    throw invalidData(`${file}: its header, ${shown(only)}, has ${found}. Columns must be separated by commas.`);
  }
  const twice = firstRepeated(names);
  if (twice === undefined) return names;
  throw invalidData(`${file} has two columns '${shown(twice)}': rename one.`);
}

function* jsonRows(file: string, bytes: Buffer): Generator<Row, void> {
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '')
      yield { line: index + 1, cells: new Map(Object.entries(parseObject(file, index + 1, line))) };
  }
}

function parseObject(file: string, line: number, text: string): object {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw invalidData(`${file}, line ${line}: '${shown(text)}' ${(cause as Error).message}.`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalidData(`${file}, line ${line}: '${shown(text)}' is no JSON object.`);
}
