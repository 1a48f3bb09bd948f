import { basename, dirname, extname, relative } from 'node:path';
import type { SplitName } from '../../options/datasets.js';
import { invalidData } from '../../system/failures.js';
import { nameSome } from '../layout-reader.js';
import { splitCalled } from '../split-names.js';

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
  const there = new Set(paths);
  for (const path of paths) {
    const [, , count = '0'] = numbered.exec(path) ?? [];
    for (let k = 0; k < Number(count); k++) {
      const other = path.replace(numbered, `-${String(k).padStart(5, '0')}-of-${count}`);
      if (there.has(other)) continue;
      throw invalidData(`${other} is missing: ${basename(path)} belongs to it. Download it, too.`);
    }
  }
}
