import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { L2TError } from './errors.js';
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
]);

/** `error`, which came of trying to `verb` ("read", "write") `path`, as an L2TError FILE_ACCESS; OUT_OF_MEMORY where it only says that. */
export function fileError(verb: string, path: string, error: unknown): L2TError {
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

/**
 * The whole of a regular file, read once. Devices, pipes and folders are refused, since reading them may never end.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    // Opening a pipe would wait for its writer; O_NONBLOCK returns at once and is nothing to a regular file.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      const run = existsSync(join(path, 'best.safetensors'));
      throw new Error(run ? 'it is a run folder: name its best.safetensors' : 'it is a folder: name a file');
    }
    if (!stats.isFile()) throw new Error('it is not a regular file: name a file');
    if (stats.size > largestFile) throw new Error('it is larger than 4 GiB, more than is read');
    return await readAll(handle, stats.size);
  } catch (error) {
    throw fileError('read', path, error);
  } finally {
    await handle?.close();
  }
}

async function readAll(handle: FileHandle, size: number): Promise<Uint8Array> {
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
 * Writes `data` so that `path` holds either what it held before or all of the new content, also when the power goes:
 * beside the target, synced, renamed over it, and the folder synced. The temporary file is removed on failure.
 * @throws L2TError FILE_ACCESS, naming the path and what to do.
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string | Iterable<Uint8Array | string>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  let created = false;
  try {
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

/** A rename is on disk only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
