import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import type { Info } from 'csv-parse';
import type { L2TError } from '../errors.js';
import { invalidData } from '../system/failures.js';
import { parseJson } from '../system/json.js';
import { counted, shown } from '../system/printable.js';
import { firstRepeated } from './layout-reader.js';
import { readWhole } from './reading.js';

/** A row of a table. */
export interface Row {
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

/** Is a file JSON-lines, by its name? */
export const isJsonLines = (file: string): boolean => /\.jsonl$/i.test(file);

/**
 * The rows of a CSV file with a header, or of a file of JSON-lines: one object a line.
 *
 * Throws INVALID_DATA, naming the line; FILE_ACCESS.
 */
export async function* readTable(file: string): AsyncGenerator<Row, void> {
  const bytes = await readWhole(file, maxFileBytes);
  if (!isUtf8(bytes)) throw notUtf8(file, bytes);
  yield* isJsonLines(file) ? jsonRows(file, bytes) : csvRows(file, bytes);
}

function notUtf8(file: string, bytes: Buffer): L2TError {
  const lines = bytes.toString('latin1').split('\n');
  const line = 1 + lines.findIndex((text) => !isUtf8(Buffer.from(text, 'latin1')));
  return invalidData(`${file}, line ${line}: this is not UTF-8. Save the file as UTF-8.`);
}

/** The names of a table's columns; of JSON-lines those of the first line. Throws as `readTable`. */
export async function readHeader(file: string): Promise<string[]> {
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

/** What the library's errors mean. */
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
