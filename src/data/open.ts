import { stat } from 'node:fs/promises';
import { invalidData, invalidOption } from '../system/failures.js';
import { fileError } from '../system/files.js';
import type { Dataset } from './dataset.js';
import { type ColumnNames, type DataKind, type LayoutReader, nameSome, unknownLayout } from './layout-reader.js';
import { cifar10, cifar100, cifarReader } from './layouts/cifar.js';
import { cub200 } from './layouts/cub200.js';
import { folderReader } from './layouts/folder.js';
import { idxReader } from './layouts/idx.js';
import { imagenet } from './layouts/imagenet.js';
import { list } from './layouts/list.js';
import { mit67 } from './layouts/mit67.js';
import { parquet } from './layouts/parquet.js';
import { stanfordDogs } from './layouts/stanford-dogs.js';
import { stanford40 } from './layouts/stanford40.js';
import { stl10 } from './layouts/stl10.js';
import { svhn } from './layouts/svhn.js';
import { tinyimagenet } from './layouts/tinyimagenet.js';
import { type ListingOptions, mostStrange, Walk } from './walk.js';

/** In order of certainty: layouts with files of specific names come before those recognised only by their folders. */
const readers: readonly LayoutReader[] = [
  ...[cifarReader(cifar10), cifarReader(cifar100), stl10, svhn, cub200, mit67, stanford40, stanfordDogs, idxReader],
  ...[parquet, list, tinyimagenet, imagenet, folderReader],
];

/**
 * Lists the data set in a folder or a file. Its layout is `layout`, or the first that is recognised.
 *
 * Throws INVALID_DATA, naming the file or class, if the folder is missing, has no known layout, is incomplete or
 * damaged, or if none of its first 10,000 entries fits a layout; INVALID_OPTION if columns are named that it does not
 * have; FILE_ACCESS if it cannot be read; ABORTED.
 */
export async function openDataset(path: string, options: DataKind & ListingOptions = {}): Promise<Dataset> {
  const walk = new Walk(path, options);
  const asked = readers.filter(({ layout }) => options.layout === undefined || options.layout === layout);
  const open = (reader: LayoutReader, place: string) => {
    requireColumns(path, reader, options);
    return reader.open(place, walk, options);
  };
  if (await isFile(path)) {
    const reader = asked.find(({ file }) => file?.test(path));
    if (reader) return open(reader, path);
    const advice = 'name the folder, or extract the archive';
    throw unknownLayout(path, `is a file, not a data folder${ofLayout(options)}: ${advice}`);
  }
  const names = await walk.names(path, mostStrange);
  for (const reader of asked) {
    const place = await reader.find(path, names, walk, options);
    if (place !== undefined) return open(reader, place);
  }
  const known = options.layout === undefined ? ' of a known layout' : ofLayout(options);
  if (names.length < mostStrange) throw unknownLayout(path, `is no data set${known}: it holds ${nameSome(names)}`);
  throw unknownLayout(path, `is no data set${known}, by its first ${mostStrange} entries: ${nameSome(names)}`);
}

const ofLayout = ({ layout }: DataKind): string => (layout === undefined ? '' : ` of the layout '${layout}'`);

async function isFile(path: string): Promise<boolean> {
  const kind = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw fileError('read', path, cause);
    throw invalidData(`The data folder ${path} does not exist: check the path.`, cause);
  });
  return !kind.isDirectory();
}

function requireColumns(path: string, { layout, hasColumns }: LayoutReader, { imageColumn, labelColumn }: ColumnNames) {
  const named = imageColumn !== undefined ? 'imageColumn' : labelColumn !== undefined ? 'labelColumn' : undefined;
  if (named === undefined || hasColumns) return;
  const having = readers.filter((each) => each.hasColumns).map((each) => each.layout);
  throw invalidOption(
    `{${named}}: ${path} is of the layout ${layout}, which has no columns (${having.join(' and ')} have): leave it out.`,
  );
}
