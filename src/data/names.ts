import { shown } from '../system/printable.js';
import { invalidData } from './invalid-data.js';
import { readWhole } from './reading.js';

/**
 * Reads class names from a text file, one a line. Blank lines are ignored.
 * Throws INVALID_DATA if a name occurs twice, there are no names, or not as many as `expected`; FILE_ACCESS.
 */
export async function readClassNames(file: string, expected?: number): Promise<string[]> {
  const text = (await readWhole(file, 2 ** 20)).toString('utf8');
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw invalidData(`${file} names the class '${shown(twice)}' twice.`);
  if (names.length === 0 || (expected !== undefined && names.length !== expected)) {
    throw invalidData(`${file} names ${names.length} classes, not ${expected ?? 'one or more'}.`);
  }
  return names;
}
