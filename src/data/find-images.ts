import { stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { L2TError } from '../errors.js';
import { guarded, requirePath } from '../options/arguments.js';
import { refused } from '../options/check.js';
import { throwIfAborted } from '../system/abort.js';
import { fileAccess } from '../system/failures.js';
import { imageFormats, isImageFile } from './decode.js';
import { type ListingOptions, Walk } from './layout-reader.js';

/** A file to read as an image; or a path at which there is none, and why. */
interface FoundImage {
  readonly path: string;
  readonly problem?: L2TError;
}

/**
 * The images that a path stands for: a folder for all images in it and in its folders, sorted by code unit; a pattern
 * such as new/*.jpg for the files that match it, sorted; any other path for itself, whether or not it exists. A file
 * or folder whose name looks like a pattern is meant by its name. Hidden files, and links to folders inside a folder or
 * below **, are left out.
 * @throws L2TError ABORTED. Everything else is told by `problem`, and does not end the iteration.
 */
export async function* findImages(path: string, listing: ListingOptions = {}): AsyncGenerator<FoundImage, void> {
  const status = await statusOf(path);
  const isPattern = status === undefined && (await patterns()).isDynamicPattern(path);
  if (!isPattern && !status?.isDirectory()) {
    yield { path };
    return;
  }
  let none = true;
  for await (const image of isPattern ? matching(path, listing) : imagesBelow(path, new Walk(path, listing))) {
    none = false;
    yield image;
  }
  if (!none) return;
  const problem = isPattern
    ? `No file matches ${path}: check the folder and the file extension.`
    : `${path} is a folder without images (${imageFormats}): check the path.`;
  yield { path, problem: fileAccess(problem) };
}

/** Imported where it is used, because most commands have no pattern. */
const patterns = () => import('tinyglobby');

async function* matching(pattern: string, { signal }: ListingOptions): AsyncGenerator<FoundImage, void> {
  const globOptions = {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    // Below **, a link could lead back to a folder above it and repeat every image. Shells do not follow it either.
    followSymbolicLinks: !pattern.includes('**'),
    ...(signal && { signal }),
  };
  const { glob } = await patterns();
  const names = await glob(pattern, globOptions).finally(() => throwIfAborted(`Looking for ${pattern}`, signal));
  for (const path of names.sort()) yield { path };
}

async function* imagesBelow(folder: string, walk: Walk): AsyncGenerator<FoundImage, void> {
  const entries: { readonly path: string; readonly isFolder: boolean }[] = [];
  try {
    for await (const entry of walk.each(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) entries.push({ path, isFolder: true });
      else if (entry.isFile() || (entry.isSymbolicLink() && !(await statusOf(path))?.isDirectory())) {
        entries.push({ path, isFolder: false });
      }
    }
  } catch (error) {
    yield { path: folder, problem: notAborted(error) };
  }
  for (const { path, isFolder } of entries.sort((a, b) => (a.path < b.path ? -1 : 1))) {
    if (isFolder) yield* imagesBelow(path, walk);
    else {
      const found = await isImageFile(path).catch(notAborted);
      if (found instanceof L2TError) yield { path, problem: found };
      else if (found) yield { path };
    }
  }
}

const statusOf = (path: string) => stat(path).catch(() => undefined);

/** A failure that does not end a search. Throws the others. */
function notAborted(error: unknown): L2TError {
  if (error instanceof L2TError && (error.code === 'FILE_ACCESS' || error.code === 'INVALID_DATA')) return error;
  throw error;
}

/**
 * The image files that paths stand for, to give to `Network.predict`: a folder for all images (PNG, JPEG, WebP, GIF, AVIF) in
 * it and in its folders, sorted; a pattern such as new/*.jpg for the files that match it, sorted; any other path for
 * itself, whether or not it exists. What exists under the very name is taken before a pattern. Hidden files, and links
 * to folders inside a folder, are left out.
 * @throws L2TError FILE_ACCESS for a folder that has no images or cannot be read, and for a pattern that matches
 * nothing; INVALID_OPTION.
 */
export async function listImages(paths: readonly string[]): Promise<string[]> {
  const listed: readonly unknown[] = guarded('The list of paths', () => {
    if (!Array.isArray(paths)) throw refused('The list of paths', paths, 'an array of paths');
    return [...paths];
  });
  const files: string[] = [];
  for (const path of listed.map((each, index) => requirePath(each, `Path ${index}`))) {
    for await (const found of findImages(path)) {
      if (found.problem) throw found.problem;
      files.push(found.path);
    }
  }
  return files;
}
