import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { shown } from '../system/printable.js';
import { firstRepeated, type LayoutReader, nameSome } from './layout-reader.js';
import { readWhole } from './reading.js';
import { mostStrange, type Walk } from './walk.js';

const maxListBytes = 2 ** 26;

/** Finds the folder itself if one of `marks` is among its entries, else the archive's own folder inside it. */
export const marked =
  (marks: readonly string[], archiveFolder?: string): LayoutReader['find'] =>
  async (folder, names) => {
    if (marks.some((mark) => names.includes(mark))) return folder;
    return archiveFolder !== undefined && names.includes(archiveFolder) ? join(folder, archiveFolder) : undefined;
  };

/** Throws INVALID_DATA if a file or folder in `wanted` is missing; names it and the entries that are there. */
export async function requireEntries(
  folder: string,
  layout: Layout,
  wanted: readonly string[],
  walk: Walk,
): Promise<void> {
  const missing = wanted.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return;
  throw invalidData(
    `${folder} is a ${layout} folder without ${nameSome(missing)}: it holds ${nameSome(await walk.names(folder, mostStrange))}. Put them there, or extract the archive again.`,
  );
}

/**
 * The groups of `pattern` in each line of a text file. Blank lines are ignored.
 * Throws INVALID_DATA, naming the line, if a line does not match (`form` describes the pattern), or if there are no
 * lines; FILE_ACCESS.
 */
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
