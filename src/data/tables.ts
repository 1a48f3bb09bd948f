import { Readable } from 'node:stream';
import type { CsvError, Info } from 'csv-parse';
import { L2TError } from '../errors.js';
import { shown } from '../system/printable.js';
import { readWhole } from './reading.js';

/** A row of a table. Every cell is a text. */
export interface Row {
  /** Its line in the file, from 1. */
  readonly line: number;
  readonly cells: ReadonlyMap<string, string>;
}

const maxFileBytes = 2 ** 28;
/** Bytes that are parsed at once. */
const piece = 2 ** 16;
/** Characters of a row: a quote that is never closed would swallow the whole file. */
const longestRow = 2 ** 20;

/**
 * The rows of a CSV file with a header, or of a file of JSON-lines (by its name, .jsonl): objects of texts, numbers and
 * truth values.
 *
 * Throws INVALID_DATA, naming the line; FILE_ACCESS.
 */
export function readTable(file: string): AsyncGenerator<Row, void> {
  return /\.jsonl$/i.test(file) ? jsonRows(file) : csvRows(file);
}

/** The names of a table's columns; of JSON-lines those of the first line. Throws as `readTable`. */
export async function readHeader(file: string): Promise<string[]> {
  for await (const { cells } of readTable(file)) return [...cells.keys()];
  throw new L2TError('INVALID_DATA', `${file} has no rows.`);
}

async function* csvRows(file: string): AsyncGenerator<Row, void> {
  // Imported where it is used: most data sets are no tables.
  const { parse } = await import('csv-parse');
  const options = { bom: true, info: true, trim: true, skip_empty_lines: true, max_record_size: longestRow };
  const bytes = await readWhole(file, maxFileBytes);
  const parser = Readable.from(pieces(bytes)).pipe(parse(options));
  let header: readonly string[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      if (header === undefined) header = distinct(file, record);
      else yield { line: info.lines, cells: new Map(header.map((name, k) => [name, record[k] as string])) };
    }
  } catch (error) {
    throw csvError(file, error);
  }
}

/** Few rows at a time, so that only these are in memory as cells. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
}

function csvError(file: string, error: unknown): unknown {
  const { code = '', lines } = error as CsvError & { readonly lines?: number };
  if (!code.startsWith('CSV_')) return error;
  const reason = shown((error as Error).message, 200);
  return new L2TError('INVALID_DATA', `${file}, line ${lines}: it is no CSV: ${reason}.`, { cause: error });
}

function distinct(file: string, names: readonly string[]): readonly string[] {
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice === undefined) return names;
  throw new L2TError('INVALID_DATA', `${file} has two columns '${shown(twice)}': rename one.`);
}

async function* jsonRows(file: string): AsyncGenerator<Row, void> {
  const text = (await readWhole(file, maxFileBytes)).toString('utf8').replace(/^\ufeff/, '');
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() !== '') yield { line: index + 1, cells: cellsOf(file, index + 1, line) };
  }
}

function cellsOf(file: string, line: number, text: string): ReadonlyMap<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new L2TError('INVALID_DATA', `${file}, line ${line}: '${shown(text)}' is no JSON.`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new L2TError('INVALID_DATA', `${file}, line ${line}: '${shown(text)}' is no JSON object.`);
  }
  const simple = Object.entries(value).filter(([, each]) => ['string', 'number', 'boolean'].includes(typeof each));
  return new Map(simple.map(([name, each]) => [name, String(each)]));
}
