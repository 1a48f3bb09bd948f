import { realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { type SplitName, splitNames } from '../../options/datasets.js';
import { invalidData } from '../../system/failures.js';
import { reaching } from '../../system/files.js';
import { shown } from '../../system/printable.js';
import { type ImageList, imageFiles } from '../dataset.js';
import { imageFormats, isImageFile } from '../decode.js';
import {
  type LayoutReader,
  maxUnknown,
  nameSome,
  PassedOver,
  splitOfFolder,
  unknownLayout,
  type Walk,
} from '../layout-reader.js';

interface ClassFolder {
  readonly name: string;
  /** Paths below the data set's folder, sorted. */
  readonly images: readonly string[];
}

/** The state of the search for images in one data set's folders. */
class Search {
  /** Ignored paths, for one warning at the end. */
  readonly passedOver = new PassedOver();
  foundImage = false;
  #looked = 0;

  constructor(
    readonly folder: string,
    readonly walk: Walk,
  ) {}

  /** Throws INVALID_DATA if no image is found among the first `maxUnknown` entries: the folder may be a whole disk. */
  look(): void {
    this.walk.check();
    if (this.foundImage || ++this.#looked <= maxUnknown) return;
    const found = `of the first ${maxUnknown} entries in its folders none is an image`;
    throw unknownLayout(this.folder, `is no data set of a known layout: ${found}`);
  }

  passOver(path: string): void {
    this.passedOver.add(path);
    this.look();
  }
}

/**
 * One folder per class: FOLDER/train/CLASS/… with any of train, val (valid, validation) and test; or flat,
 * FOLDER/CLASS/…, which becomes `train`. Images may lie in subfolders of a class folder. Classes and images are sorted
 * by code unit. A file is an image if it has a known extension or, else, if its content looks like one. Other files are
 * ignored with a warning, hidden ones without.
 */
export const folderReader: LayoutReader = {
  layout: 'folder',
  async find(folder, names, walk) {
    for (const name of names) {
      walk.check();
      const path = join(folder, name);
      if ((await reaching(path, () => stat(path))).isDirectory()) return folder;
    }
    return undefined;
  },
  async open(folder, walk) {
    const search = new Search(folder, walk);
    const splitFolders = await findSplits(folder, search);
    const flat = splitFolders.size === 0;
    const listed = new Map<SplitName, ClassFolder[]>();
    for (const [split, path] of flat ? [['train' as const, folder] as const] : splitFolders) {
      listed.set(split, await listClasses(path, search));
    }
    checkSameClasses(folder, splitFolders, listed);
    return {
      layout: 'folder',
      folder,
      flat,
      folds: [],
      warnings: search.passedOver.warning(
        folder,
        `, which are no ${imageFormats} image or lie outside the class folders`,
      ),
      train: toList(folder, listed.get('train')),
      validation: toList(folder, listed.get('validation')),
      test: toList(folder, listed.get('test')),
      classNames: [...listed.values()][0]?.map(({ name }) => name) ?? [],
    };
  },
};

/**
 * Split → folder; empty if the data set is flat. A folder called 'train' may be a class: if there are folders with
 * other names, and no folder with a split's name contains folders, all of them are classes.
 */
async function findSplits(folder: string, search: Search): Promise<Map<SplitName, string>> {
  const { files, folders } = await listFollowing(folder, search);
  const candidates = folders.filter((name) => splitOfFolder.has(name.toLowerCase()));
  const others = folders.filter((name) => !candidates.includes(name));
  const contents = await Promise.all(candidates.map((name) => listFollowing(join(folder, name), search)));
  if (others.length > 0 && contents.every(({ folders: inner }) => inner.length === 0)) return new Map();
  const found = new Map<SplitName, string>();
  for (const name of candidates) {
    const split = splitOfFolder.get(name.toLowerCase()) as SplitName;
    const path = join(folder, name);
    if (found.has(split)) throw invalidData(`${found.get(split)} and ${path} are both the ${split} set. Keep one.`);
    found.set(split, path);
  }
  if (found.size > 0) for (const name of [...files, ...others]) search.passOver(join(folder, name));
  return new Map(splitNames.filter((split) => found.has(split)).map((split) => [split, found.get(split) as string]));
}

async function listClasses(folder: string, search: Search): Promise<ClassFolder[]> {
  const { files, folders } = await listFollowing(folder, search);
  for (const name of files) search.passOver(join(folder, name));
  const { passedOver } = search;
  const classes: ClassFolder[] = [];
  let empty: string | undefined;
  for (const name of folders) {
    const images = await listImages(relative(search.folder, join(folder, name)), search);
    classes.push({ name, images: images.sort() });
    if (images.length === 0) empty ??= name;
    // Checked after every class, so that the rest is not listed in vain.
    if (empty !== undefined && search.foundImage) {
      throw invalidData(
        `${join(folder, empty)}: class '${shown(empty)}' has no images${passedOver.types}. Add some or remove it.${passedOver.advice}`,
      );
    }
  }
  if (classes.every(({ images }) => images.length === 0)) {
    const found = nameSome([...folders, ...files]);
    const contents = `it holds ${found}${passedOver.types}`;
    throw unknownLayout(folder, `has no ${imageFormats} images in class folders: ${contents}`, passedOver.advice);
  }
  return classes;
}

/** Image files anywhere in a folder `below` that of the search. Does not follow links to folders: they may form a cycle. */
async function listImages(below: string, search: Search): Promise<string[]> {
  let images: string[] = [];
  const folders: string[] = [];
  for await (const { name, kind } of kindsOf(join(search.folder, below), search.walk)) {
    const path = join(below, name);
    if (kind === 'folder') folders.push(path);
    else if (kind === 'file' && (await isImageFile(join(search.folder, path)))) {
      images.push(path);
      search.foundImage = true;
    } else search.passOver(join(search.folder, path));
  }
  for (const path of folders) {
    search.look();
    images = images.concat(await listImages(path, search));
  }
  return images;
}

/** The files and folders in a folder, without hidden entries, pipes and devices. */
async function* kindsOf(
  folder: string,
  walk: Walk,
): AsyncGenerator<{ readonly name: string; readonly kind: 'file' | 'folder' | 'linked folder' }, void> {
  for await (const entry of walk.each(folder)) {
    const { name } = entry;
    const path = join(folder, name);
    const status = entry.isSymbolicLink() ? await reaching(path, () => stat(path)) : entry;
    if (status.isFile()) yield { name, kind: 'file' };
    else if (status.isDirectory()) yield { name, kind: status === entry ? 'folder' : 'linked folder' };
  }
}

/** The files in a folder, and its folders, including links to folders, sorted by code unit. */
async function listFollowing(folder: string, { walk }: Search): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = [];
  const folders: string[] = [];
  for await (const { name, kind } of kindsOf(folder, walk)) {
    if (kind === 'linked folder') await requireBeside(folder, join(folder, name));
    (kind === 'file' ? files : folders).push(name);
  }
  return { files, folders: folders.sort() };
}

/** Throws INVALID_DATA if a link leads to a folder that contains it: that folder's images would become one class. */
async function requireBeside(folder: string, link: string): Promise<void> {
  const [from, to] = await reaching(link, () => Promise.all([realpath(folder), realpath(link)]));
  if (!`${from}${sep}`.startsWith(to.endsWith(sep) ? to : `${to}${sep}`)) return;
  throw invalidData(`${link} is a link to ${to}, a folder that it lies in: remove it.`);
}

function checkSameClasses(
  folder: string,
  splitFolders: ReadonlyMap<SplitName, string>,
  listed: ReadonlyMap<SplitName, readonly ClassFolder[]>,
): void {
  const [[firstSplit, first] = [], ...rest] = listed;
  const expected = new Set(first?.map(({ name }) => name));
  for (const [split, classes] of rest) {
    const actual = new Set(classes.map(({ name }) => name));
    const differing =
      [...expected].find((name) => !actual.has(name)) ?? [...actual].find((name) => !expected.has(name));
    if (differing === undefined) continue;
    const [has, lacks] = actual.has(differing) ? [split, firstSplit] : [firstSplit, split];
    throw invalidData(
      `${folder}: class '${shown(differing)}' is in ${splitFolders.get(has as SplitName)} but not in ${splitFolders.get(lacks as SplitName)} (${expected.size} classes against ${actual.size}). Every split needs the same class folders.`,
    );
  }
}

function toList(root: string, classes: readonly ClassFolder[] | undefined): ImageList | undefined {
  if (classes === undefined) return undefined;
  const files = classes.flatMap(({ images }) => images);
  const labels = classes.flatMap(({ images }, label) => images.map(() => label));
  return imageFiles(root, files, labels);
}
