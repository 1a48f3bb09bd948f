import { stat } from 'node:fs/promises';
import { L2TError } from '../errors.js';
import type { Layout } from '../options/datasets.js';
import type { Dataset } from './dataset.js';
import { type LayoutReader, nameSome, unknownLayout } from './layout-reader.js';
import { cifar10, cifar100, cifarReader } from './layouts/cifar.js';
import { cub200 } from './layouts/cub200.js';
import { folderReader } from './layouts/folder.js';
import { idxReader } from './layouts/idx.js';
import { imagenet } from './layouts/imagenet.js';
import { mit67 } from './layouts/mit67.js';
import { stanfordDogs } from './layouts/stanford-dogs.js';
import { stanford40 } from './layouts/stanford40.js';
import { stl10 } from './layouts/stl10.js';
import { svhn } from './layouts/svhn.js';
import { tinyimagenet } from './layouts/tinyimagenet.js';
import { reaching } from './reading.js';
import { type ListingOptions, mostStrange, Walk } from './walk.js';

/** In order of certainty: layouts with files of specific names come before those recognised only by their folders. */
const readers: readonly LayoutReader[] = [
  ...[cifarReader(cifar10), cifarReader(cifar100), stl10, svhn, cub200, mit67, stanford40, stanfordDogs, idxReader],
  ...[tinyimagenet, imagenet, folderReader],
];

/**
 * Lists the data set in a folder. Its layout is `layout`, or the first that is recognised.
 *
 * Throws INVALID_DATA, naming the file or class, if the folder is missing, has no known layout, is incomplete or
 * damaged, or if none of its first 10,000 entries fits a layout; FILE_ACCESS if it cannot be read; ABORTED.
 */
export async function openDataset(folder: string, layout?: Layout, options: ListingOptions = {}): Promise<Dataset> {
  await requireFolder(folder);
  const walk = new Walk(folder, options);
  const names = await walk.names(folder, mostStrange);
  for (const reader of readers) {
    if (layout !== undefined && reader.layout !== layout) continue;
    const place = await reader.find(folder, names, walk);
    if (place !== undefined) return reader.open(place, walk);
  }
  const known = layout === undefined ? 'of a known layout' : `of the layout '${layout}'`;
  if (names.length < mostStrange) throw unknownLayout(folder, `is no data set ${known}: it holds ${nameSome(names)}`);
  throw unknownLayout(folder, `is no data set ${known}, by its first ${mostStrange} entries: ${nameSome(names)}`);
}

async function requireFolder(folder: string): Promise<void> {
  const kind = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') return reaching(folder, () => Promise.reject(cause));
    throw new L2TError('INVALID_DATA', `The data folder ${folder} does not exist: check the path.`, { cause });
  });
  if (!kind.isDirectory())
    throw unknownLayout(folder, 'is a file, not a data folder: name the folder, or extract the archive');
}
