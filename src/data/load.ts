import { createHash, type Hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { type Layout, layoutNames, splitNames } from '../options/datasets.js';
import { didYouMean } from '../options/spelling.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { fileError } from '../system/files.js';
import { shown } from '../system/printable.js';
import { type Dataset, type ImageList, imageFiles, selectClasses, subset, trainAndTest } from './dataset.js';
import { findImages } from './find-images.js';
import {
  type ColumnNames,
  type DataKind,
  type LayoutReader,
  type ListingOptions,
  maxUnknown,
  nameSome,
  unknownLayout,
  Walk,
} from './layout-reader.js';
import { cifar10, cifar100, cifarReader, idxReader, stl10, svhn } from './layouts/arrays.js';
import { folderReader } from './layouts/folder.js';
import { imagenet } from './layouts/imagenet.js';
import { list } from './layouts/list.js';
import { cub200, mit67, oxfordPets, stanford40, stanfordDogs, tinyimagenet } from './layouts/listed.js';
import { parquet } from './layouts/parquet.js';
import { withTest } from './split.js';
import { divided, readSplit } from './split-file.js';

export interface DataOptions extends DataKind, ListingOptions {
  readonly data: string;
  readonly splitFile?: string | undefined;
  readonly fold?: number | undefined;
  readonly classes?: string | undefined;
  /** True for runs: of data without test images, a tenth of each class becomes the test images. */
  readonly drawTest?: boolean | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Lists the data set in a folder, divided by the split file and reduced to the given fold and classes. Decodes nothing.
 */
export async function loadData(options: DataOptions): Promise<Dataset> {
  const { data, splitFile, fold, classes, drawTest, onWarning } = options;
  const opened = await openDataset(data, options);
  for (const warning of opened.warnings) onWarning?.(warning);
  const tested = drawTest ? withTest(opened) : opened;
  const whole = splitFile === undefined ? tested : divided(opened, await readSplit(splitFile, opened));
  const dataset = fold === undefined ? whole : withFold(whole, fold);
  return classes === undefined ? dataset : selectClasses(dataset, classIndices(classes, dataset.classNames));
}

/**
 * SHA-256 that identifies the whole folder. If it is unchanged, indices into the folder's images mean the same images.
 * @throws L2TError FILE_ACCESS, INVALID_DATA; ABORTED.
 */
export async function folderFingerprint(
  { data, ...kind }: DataKind & Pick<DataOptions, 'data'>,
  listing: ListingOptions = {},
): Promise<string> {
  return fingerprint(await openDataset(data, { ...kind, ...listing }), listing.signal);
}

/** `classes`: names or indices, separated by commas. A name has precedence over an index: a class may be called `7`. */
function classIndices(classes: string, classNames: readonly string[]): number[] {
  return classes.split(',').map((item) => {
    const text = item.trim();
    const named = classNames.indexOf(text);
    if (named !== -1) return named;
    if (/^\d{1,9}$/.test(text) && Number(text) < classNames.length) return Number(text);
    throw invalidOption(
      `{classes}: '${shown(text)}' is no class of the data set: it must be a name, or an index from 0 to ${classNames.length - 1}.${didYouMean(text, classNames)}`,
    );
  });
}

/** The data set with only one published fold of its training images (STL-10). */
function withFold(dataset: Dataset, fold: number): Dataset {
  const { folder, folds, train } = dataset;
  const positions = folds[fold];
  if (positions === undefined || train === undefined) {
    const has = folds.length === 0 ? 'no folds' : `folds 0 to ${folds.length - 1}`;
    throw invalidOption(`{fold=${fold}}: ${folder} has ${has} (STL-10's are known, where fold_indices.txt is there).`);
  }
  return { ...dataset, train: subset(train, positions), folds: [] };
}

/** Reads images that need no labels: all in a folder and in its folders. */
const anyImages: LayoutReader = {
  layout: 'folder',
  find: async (folder) => folder,
  async open(folder, walk) {
    const files: string[] = [];
    for await (const { path, problem } of findImages(folder, walk.options)) {
      if (problem) throw problem;
      files.push(relative(folder, path));
    }
    const train = imageFiles(folder, files, new Int32Array(files.length));
    return trainAndTest({ layout: 'folder', folder, train, test: undefined, classNames: [''], flat: true });
  },
};

const readersByLayout: Readonly<Record<Layout, LayoutReader>> = {
  cifar10: cifarReader(cifar10),
  cifar100: cifarReader(cifar100),
  stl10,
  svhn,
  cub200,
  mit67,
  stanford40,
  'stanford-dogs': stanfordDogs,
  'oxford-iiit-pet': oxfordPets,
  idx: idxReader,
  parquet,
  list,
  tinyimagenet,
  imagenet,
  folder: folderReader,
};
const readers = layoutNames.map((name) => readersByLayout[name]);
const withoutLabels = readers.map((reader) => (reader === folderReader ? anyImages : reader));

/**
 * Lists the data set in a folder or a file. Its layout is `layout`, or the first that is recognised.
 *
 * Throws INVALID_DATA, naming the file or class, if the folder is missing, has no known layout, is incomplete or
 * damaged, or if none of its first 10,000 entries fits a layout; INVALID_OPTION if columns are named that it does not
 * have; FILE_ACCESS if it cannot be read; ABORTED.
 */
export async function openDataset(path: string, options: DataKind & ListingOptions = {}): Promise<Dataset> {
  const walk = new Walk(path, options);
  const known = options.labels === false ? withoutLabels : readers;
  const asked = known.filter(({ layout }) => options.layout === undefined || options.layout === layout);
  const open = (reader: LayoutReader, folder: string) => {
    requireColumns(path, reader, options);
    return reader.open(folder, walk, options);
  };
  if (await isFile(path)) {
    const reader = asked.find(({ file }) => file?.test(path));
    if (reader) return open(reader, path);
    const advice = 'name the folder, or extract the archive';
    throw unknownLayout(path, `is a file, not a data folder${ofLayout(options)}: ${advice}`);
  }
  const names = await walk.names(path, maxUnknown);
  for (const reader of asked) {
    const folder = await reader.find(path, names, walk, options);
    if (folder !== undefined) return open(reader, folder);
  }
  const kind = options.layout === undefined ? ' of a known layout' : ofLayout(options);
  if (names.length < maxUnknown) throw unknownLayout(path, `is no data set${kind}: it holds ${nameSome(names)}`);
  throw unknownLayout(path, `is no data set${kind}, by its first ${maxUnknown} entries: ${nameSome(names)}`);
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

/** Files whose sizes are read at once. */
const together = 256;

/** The images of paths, one list after the other, all their splits. None needs a label. */
export async function loadUnlabelled(paths: readonly string[], listing: ListingOptions): Promise<ImageList[]> {
  const lists: ImageList[] = [];
  for (const path of paths) {
    const dataset = await openDataset(path, { ...listing, labels: false });
    lists.push(...splitNames.flatMap((name) => dataset[name] ?? []));
  }
  return lists;
}

/**
 * SHA-256 (hex) that identifies a data set: of its class names, and of each split's labels and images (pixels of an
 * array, names and sizes of files). The folder's path and its layout are not part of it, so data may be moved between a
 * run and its resume.
 */
export async function fingerprint(dataset: Dataset, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const lists = splitNames.map((name) => dataset[name]);
  // The lengths come first, so that different data sets cannot give the same stream of bytes.
  hash.update(JSON.stringify([dataset.classNames, lists.map((list) => list && [list.count, list.sides])]));
  for (const list of lists) {
    if (list === undefined) continue;
    hash.update(new Uint8Array(list.labels.buffer, list.labels.byteOffset, list.labels.byteLength));
    await addIdentities(hash, list, dataset.folder, signal);
  }
  return hash.digest('hex');
}

/** Adds what identifies each image. */
export async function addIdentities(hash: Hash, list: ImageList, folder: string, signal?: AbortSignal): Promise<void> {
  for (let start = 0; start < list.count; start += together) {
    const count = Math.min(together, list.count - start);
    const identities = Array.from({ length: count }, (_, k) => list.identity(start + k));
    for (const identity of await Promise.all(identities)) hash.update(identity);
    throwIfAborted(`Loading ${folder}`, signal);
    await new Promise(setImmediate);
  }
}
