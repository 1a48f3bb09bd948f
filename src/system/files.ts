import { randomBytes } from 'node:crypto';
import { constants, existsSync, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { L2TError } from '../errors.js';
import { limitError } from './limits.js';

/** The system's refusals that a person meets, and what to do about each. */
const advice: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it, or its folder, does not exist: check the path'],
  ['ENOTDIR', 'it, or a part of its path, is a file, not a folder: check the path'],
  ['EISDIR', 'it is a folder: name a file'],
  ['EACCES', 'permission is denied: change its permissions or choose another place'],
  ['EPERM', 'the operation is not permitted: change its permissions or choose another place'],
  ['EROFS', 'the file system is read-only: choose another place'],
  ['ENOSPC', 'the disk is full: free some space and try again'],
  ['EDQUOT', 'the disk quota is used up: free some space and try again'],
  ['EFBIG', 'the file system does not take files of this size: choose another place'],
  ['EIO', 'the disk reported a fault: check the disk'],
  ['EMFILE', 'too many files are open: raise the limit (ulimit -n)'],
  ['ENFILE', 'too many files are open: raise the limit (ulimit -n)'],
  ['ENAMETOOLONG', 'the name is too long: choose a shorter one'],
  ['ELOOP', 'its links lead in a circle: check the path'],
  ['EAGAIN', 'it is not a regular file, and has nothing to read: name a file'],
]);

/**
 * `error`, which came of trying to `verb` ("read", "write") `path`, as an L2TError FILE_ACCESS; OUT_OF_MEMORY where it only says that.
 * What is an L2TError already stays as it is.
 */
export function fileError(verb: string, path: string, error: unknown): L2TError {
  if (error instanceof L2TError) return error;
  const limit = limitError(error);
  if (limit) return limit;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const reason = (code && advice.get(code)) ?? (error instanceof Error ? error.message : String(error));
  return new L2TError('FILE_ACCESS', `Cannot ${verb} ${path || "''"}: ${reason}.`, { cause: error });
}

/** One read call takes at most this much (Linux transfers at most 2 GiB − 4 KiB at once). */
const readChunk = 2 ** 30;

/** Room for any checkpoint of this package's networks; Node 20's buffers end here as well. */
const largestFile = 2 ** 32 - 1;

/** Bytes; a JavaScript string holds a few characters less. */
const longestText = 2 ** 29 - 32;

/** What is at a path is a folder, a pipe, a socket or a device: reading those may never end. */
export class NotRegularFile extends Error {
  constructor(
    readonly found: 'a folder' | 'no regular file',
    message: string,
  ) {
    super(message);
  }
}

/** @throws NotRegularFile. */
export function requireRegular(stats: Stats, path: string): void {
  if (stats.isDirectory()) {
    const run = existsSync(join(path, 'best.safetensors'));
    const advice = run ? 'it is a run folder: name its best.safetensors' : 'it is a folder: name a file';
    throw new NotRegularFile('a folder', advice);
  }
  if (!stats.isFile()) throw new NotRegularFile('no regular file', 'it is not a regular file: name a file');
}

/**
 * Opens a regular file for reading, and closes it after `body`. Every file that somebody else may have put there is read
 * through this function.
 * @throws L2TError FILE_ACCESS, naming the path and what to do; its cause is NotRegularFile where it is none.
 */
export async function withFile<T>(path: string, body: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Opening some devices does something to them, so they are refused before that.
    requireRegular(await stat(path), path);
    // Another process may have put a pipe there since: opening that would wait for its writer without O_NONBLOCK.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    requireRegular(stats, path);
    return await body(handle, stats.size);
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    await handle?.close();
  }
}

/**
 * The whole of a regular file, read once.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export function readFileBytes(path: string): Promise<Uint8Array> {
  return withFile(path, async (handle, size) => {
    if (size > largestFile) throw new Error('it is larger than 4 GiB, more than is read');
    return readAll(handle, size);
  });
}

/**
 * The whole of a regular file as text, UTF-8.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export function readText(path: string): Promise<string> {
  return withFile(path, async (handle, size) => {
    if (size > longestText) throw new Error('it is larger than 512 MiB, more than is read as text');
    return Buffer.from((await readAll(handle, size)).buffer).toString('utf8');
  });
}

/** The first `size` bytes of an open file. */
export async function readAll(handle: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, readChunk), at);
    if (bytesRead === 0) throw new Error('it became shorter while it was read: try again');
    at += bytesRead;
  }
  return bytes;
}

/**
 * Creates a folder and those above it that are missing. One level at a time: Node's own recursive mkdir never returns where a
 * folder exists but takes no folders and says ENOENT, as /proc does.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    const missing: string[] = [];
    for (let at = resolve(path); !(await isFolderThere(at)); at = dirname(at)) missing.push(at);
    for (const folder of missing.reverse()) await makeOne(folder);
  } catch (error) {
    throw fileError('create the folder', path, error);
  }
}

/** @throws the system's error, but not that there is nothing. */
async function isFolderThere(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  throw new Error(`${path} is a file, not a folder: choose another place`);
}

/** A folder whose parent exists. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`${dirname(path)} takes no folders: choose another place`, { cause: error });
    if (code !== 'EEXIST') throw error;
    // Another process was faster, or it is a link.
    if (!(await isFolderThere(path))) throw new Error(`${path} is a link that leads nowhere: remove it`);
  }
}

/** A new name beside a file that is being written: it is renamed to its place once it is whole. */
export const temporaryOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);

/** Is it a name that `temporaryOf` gives? A killed process leaves such files. */
export const isTemporary = (name: string): boolean => /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);

/**
 * Writes `data` so that `path` holds either what it held before or all of the new content, also when the power goes:
 * beside the target, synced, renamed over it, and the folder synced. The temporary file is removed on failure.
 * A folder, pipe, socket or device is not replaced.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | Iterable<Uint8Array | string>,
): Promise<void> {
  const temporary = temporaryOf(path);
  let created = false;
  try {
    await requireReplaceable(path);
    const handle = await open(temporary, 'wx');
    created = true;
    try {
      // Its types leave out the iterables that it documents.
      await handle.writeFile(data as string);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    created = false;
    await syncFolder(dirname(path));
  } catch (error) {
    // The first failure is the one to report; a temporary file that cannot be removed changes nothing about it.
    if (created) await unlink(temporary).catch(() => {});
    throw fileError('write', path, error);
  }
}

async function requireReplaceable(path: string): Promise<void> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (stats) requireRegular(stats, path);
}

/** A rename is on disk only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
