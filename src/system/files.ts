import { randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { L2TError } from '../errors.js';
import { fileAccess } from './failures.js';
import { limitError } from './limits.js';

/** Advice to the user for each of the system's error codes. */
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
 * Turns the `error` of a failed attempt to `verb` ("read", "write") `path` into an L2TError: OUT_OF_MEMORY or
 * OUT_OF_THREADS if the error means that, else FILE_ACCESS. An L2TError is returned unchanged.
 */
export function fileError(verb: string, path: string, error: unknown): L2TError {
  if (error instanceof L2TError) return error;
  const limit = limitError(error);
  if (limit) return limit;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  // Bytes of a name that are not UTF-8 are read as this character, and the name then leads nowhere.
  const foreign = code === 'ENOENT' && path.includes('\ufffd');
  const reason = foreign
    ? 'its name is not UTF-8: rename it'
    : ((code && advice.get(code)) ?? (error instanceof Error ? error.message : String(error)));
  return fileAccess(`Cannot ${verb} ${path || "''"}: ${reason}.`, error);
}

/** Runs a file-system call. Its failure becomes FILE_ACCESS. */
export function reaching<T>(file: string, call: () => Promise<T>, verb = 'read'): Promise<T> {
  return call().catch((cause: unknown) => {
    throw fileError(verb, file, cause);
  });
}

/** Bytes that one read call asks for at most (Linux transfers at most 2 GiB − 4 KiB at once). */
const readChunk = 2 ** 30;

/** Bytes: more than any checkpoint of this package's networks has, and the limit of Node 20's buffers. */
const largestFile = 2 ** 32 - 1;

/** Bytes. A JavaScript string has a limit of a few characters less. */
const longestText = 2 ** 29 - 32;

/** The path is a folder, a pipe, a socket or a device: reading one of those may never end. */
export class NotRegularFile extends Error {
  constructor(readonly found: 'a folder' | 'no regular file') {
    super(`it is ${found === 'a folder' ? found : 'not a regular file'}: name a file`);
  }
}

/** @throws NotRegularFile. */
export function requireRegular(stats: Stats): void {
  if (!stats.isFile()) throw new NotRegularFile(stats.isDirectory() ? 'a folder' : 'no regular file');
}

/**
 * Opens a regular file for reading, calls `body`, and closes the file. Every file that another program may have put
 * there is read through this function.
 * @throws L2TError FILE_ACCESS, naming the path and what to do; its cause is NotRegularFile if the path is none.
 */
export function withFile<T>(path: string, body: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  return reaching(path, async () => {
    // Opening some devices has side effects, so the type is checked before the file is opened.
    requireRegular(await stat(path));
    // Another process may have put a pipe there since. Without O_NONBLOCK, opening it would wait for a writer.
    return withOpen(path, constants.O_RDONLY | constants.O_NONBLOCK, async (handle) => {
      const stats = await handle.stat();
      requireRegular(stats);
      return body(handle, stats.size);
    });
  });
}

/** Opens a file, calls `body`, and closes the file. */
async function withOpen<T>(path: string, flags: string | number, body: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(path, flags);
  try {
    return await body(handle);
  } finally {
    await handle.close();
  }
}

/**
 * Reads a whole regular file.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export function readFileBytes(path: string): Promise<Uint8Array> {
  return withFile(path, async (handle, size) => {
    if (size > largestFile) throw new Error('it is larger than 4 GiB, more than is read');
    return readAll(handle, size);
  });
}

/**
 * Reads a whole regular file as UTF-8 text.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export function readText(path: string): Promise<string> {
  return withFile(path, async (handle, size) => {
    if (size > longestText) throw new Error('it is larger than 512 MiB, more than is read as text');
    return Buffer.from((await readAll(handle, size)).buffer).toString('utf8');
  });
}

/** `size` bytes of an open file, from `start` on. */
export async function readAll(handle: FileHandle, size: number, start = 0): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, readChunk), start + at);
    if (bytesRead === 0) throw new Error('it became shorter while it was read: try again');
    at += bytesRead;
  }
  return bytes;
}

/**
 * Creates a folder and its missing parents, one level at a time. Node's own recursive mkdir never returns below a
 * folder such as /proc, which exists but answers mkdir with ENOENT.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export function makeFolder(path: string): Promise<void> {
  const make = async () => {
    const missing: string[] = [];
    for (let at = resolve(path); !(await isFolderThere(at)); at = dirname(at)) missing.push(at);
    for (const folder of missing.reverse()) await makeOne(folder);
  };
  return reaching(path, make, 'create the folder');
}

/** False if nothing exists at the path. @throws the system's error, or an Error if it is not a folder. */
async function isFolderThere(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  throw new Error(`${path} is a file, not a folder: choose another place`);
}

/** Creates a folder whose parent exists. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`${dirname(path)} takes no folders: choose another place`, { cause: error });
    if (code !== 'EEXIST') throw error;
    // Another process has created the folder, or the path is a link.
    if (!(await isFolderThere(path))) throw new Error(`${path} is a link that leads nowhere: remove it`);
  }
}

/** A new temporary name in the same folder as `path`. The file is renamed to `path` once it is complete. */
export const temporaryOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);

/** Is it a name made by `temporaryOf`? A killed process leaves such files behind. */
export const isTemporary = (name: string): boolean => /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);

/** Folders that are locked by this thread, by absolute path. Each has what checks that the lock is still held. */
const guards = new Map<string, () => Promise<void>>();

/** Has `check` called before each write into `folder` takes effect. Returns a function that ends this. */
export function guardWrites(folder: string, check: () => Promise<void>): () => void {
  const path = resolve(folder);
  guards.set(path, check);
  return () => {
    if (guards.get(path) === check) guards.delete(path);
  };
}

const checkGuard = async (path: string): Promise<void> => guards.get(resolve(dirname(path)))?.();

/**
 * Writes `data` so that `path` holds either its old content or all of the new content, even after a power failure: the
 * data is written to a temporary file beside the target and synced, the file is renamed over the target, and the folder
 * is synced. The temporary file is removed on failure. A folder, pipe, socket or device is not replaced. In a folder that
 * this process has locked, the lock is checked before the rename.
 * @throws L2TError FILE_ACCESS, naming the path and what to do; INVALID_RUN if the lock was lost.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | Iterable<Uint8Array | string>,
): Promise<void> {
  const temporary = temporaryOf(path);
  let created = false;
  try {
    await requireReplaceable(path);
    await withOpen(temporary, 'wx', async (handle) => {
      created = true;
      // The cast: writeFile's documentation allows iterables, but its types do not.
      await handle.writeFile(data as string);
      await handle.sync();
    });
    await checkGuard(path);
    await rename(temporary, path);
    created = false;
    await syncFolder(dirname(path));
  } catch (error) {
    // The first failure is the one to report, so a failure to remove the temporary file is ignored.
    if (created) await unlink(temporary).catch(() => {});
    throw await writeError(path, error);
  }
}

/**
 * Appends `data` to a file, which is created if it does not exist, and syncs it. If that fails, for example because the
 * disk is full, what was written of `data` is cut off again. The folder's lock is checked as by `writeFileAtomic`.
 * @throws L2TError FILE_ACCESS, naming the path and what to do; INVALID_RUN if the lock was lost.
 */
export async function appendToFile(path: string, data: Uint8Array): Promise<void> {
  try {
    await requireReplaceable(path);
    await checkGuard(path);
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    await withOpen(path, flags, async (handle) => {
      const { size } = await handle.stat();
      await handle.writeFile(data).catch(async (error: unknown) => {
        // The first failure is the one to report.
        await handle.truncate(size).catch(() => {});
        throw error;
      });
      await handle.sync();
    });
    await syncFolder(dirname(path));
  } catch (error) {
    throw await writeError(path, error);
  }
}

/** Reports a failed write. If the folder is gone that this process has locked, that is the reason. */
async function writeError(path: string, error: unknown): Promise<L2TError> {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') await checkGuard(path);
  return fileError('write', path, error);
}

/**
 * The names in a folder, in no order; none if it does not exist.
 * @throws L2TError FILE_ACCESS.
 */
export async function listFolder(path: string): Promise<string[]> {
  return readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw fileError('read', path, error);
  });
}

/** Requires a regular file, or nothing. */
export async function requireReplaceable(path: string): Promise<void> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (stats) requireRegular(stats);
}

/** A rename is on disk only after its folder is synced. */
const syncFolder = (path: string): Promise<void> => withOpen(path, 'r', (handle) => handle.sync());
