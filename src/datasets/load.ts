import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { cifar10, cifar100, cifarFiles, loadCifar } from './cifar.js';
import { loadFolder } from './folder.js';
import { idxFileName, loadIdx } from './idx.js';
import type { Dataset } from './image-set.js';
import { type Layout, nameSome, unknownLayout } from './layouts.js';
import { type LoadOptions, reaching } from './reading.js';

interface Found {
  readonly layout: Layout;
  readonly load: (options: LoadOptions) => Promise<Dataset>;
}

/**
 * Reads the data set in a folder as images of `size` × `size` × 3, uint8. The layout is the first that the folder's
 * content shows (CIFAR, then IDX, then folders), or the one asked for.
 *
 * Throws INVALID_DATA, naming the file or class, where the folder is missing, of no known layout, incomplete or
 * damaged; FILE_ACCESS where it cannot be read; ABORTED through `signal`; INVALID_OPTION for a size out of range.
 */
export async function loadDataset(
  folder: string,
  { layout, ...options }: LoadOptions & { readonly layout?: Layout | undefined },
): Promise<Dataset> {
  if (!Number.isInteger(options.size) || options.size < 1 || options.size > 4096) {
    throw new L2TError('INVALID_OPTION', `The image size must be a whole number from 1 to 4096, not ${options.size}.`);
  }
  const names = await listNames(folder);
  const found = await detect(folder, names);
  const chosen = layout === undefined ? found[0] : found.find((candidate) => candidate.layout === layout);
  if (chosen) return chosen.load(options);
  const known = layout === undefined ? 'of a known layout' : `of the layout '${layout}'`;
  throw unknownLayout(folder, `is no data set ${known}: it holds ${nameSome(names)}`);
}

/** Every layout of which the folder has at least a part, the surest first. */
async function detect(folder: string, names: readonly string[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const variant of [cifar10, cifar100]) {
    const inside = names.includes(variant.archiveFolder);
    if (!inside && !cifarFiles(variant).some((name) => names.includes(name))) continue;
    const place = inside ? join(folder, variant.archiveFolder) : folder;
    found.push({ layout: variant.layout, load: (options) => loadCifar(place, variant, options) });
  }
  if (names.some((name) => idxFileName.test(name))) {
    found.push({ layout: 'idx', load: (options) => loadIdx(folder, options) });
  }
  for (const name of names) {
    const path = join(folder, name);
    if (!(await reaching(path, () => stat(path))).isDirectory()) continue;
    found.push({ layout: 'folder', load: (options) => loadFolder(folder, options) });
    break;
  }
  return found;
}

async function listNames(folder: string): Promise<string[]> {
  const kind = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') return reaching(folder, () => Promise.reject(cause));
    throw new L2TError('INVALID_DATA', `The data folder ${folder} does not exist.`, { cause });
  });
  if (!kind.isDirectory()) throw unknownLayout(folder, 'is a file, not a data folder. Extract it first');
  const names = await reaching(folder, () => readdir(folder));
  return names.filter((name) => !name.startsWith('.')).sort();
}
