import { join } from 'node:path';
import type { LayoutReader, Walk } from '../layout-reader.js';
import { splitOfFolder } from '../layout-reader.js';

const isParquet = /\.parquet$/i;

/** Folders in which Hugging Face's hub puts the files of a data set without configurations. */
const commonFolders = ['data', 'default'];

/**
 * Hugging Face's image sets as Parquet, as its `datasets` writes them: SPLIT-00000-of-00001.parquet or SPLIT.parquet,
 * also in data/; or SPLIT/*.parquet. A name without a split is of `train`. Of the columns, one holds images and one
 * labels (parquet/columns.ts). Images keep the order of the files, sorted by code unit.
 */
export const parquet: LayoutReader = {
  layout: 'parquet',
  file: isParquet,
  hasColumns: true,
  async find(folder, names, walk) {
    return (await filesIn(folder, names, walk, 2)).length > 0 ? folder : undefined;
  },
  async open(folder, walk, columns) {
    // Imported where it is used: most data sets are of another layout.
    const { openTables } = await import('../parquet/dataset.js');
    const files = isParquet.test(folder) ? [folder] : await filesIn(folder, await walk.names(folder), walk, 2);
    return openTables(folder, files, columns, walk);
  },
};

/** The files in a folder, in its folders of splits, and in its `commonFolders`, which may be nested `deep` times. */
async function filesIn(folder: string, names: readonly string[], walk: Walk, deep: number): Promise<string[]> {
  const files = names.filter((name) => isParquet.test(name)).map((name) => join(folder, name));
  for (const name of names) {
    const common = deep > 0 && commonFolders.includes(name);
    if (!common && !splitOfFolder.has(name.toLowerCase())) continue;
    const path = join(folder, name);
    files.push(...(await filesIn(path, await walk.names(path), walk, common ? deep - 1 : 0)));
  }
  return files.sort();
}
