import { type FileHandle, stat } from 'node:fs/promises';
import type { L2TError } from '../errors.js';
import type { NativeAddon } from '../native/addon.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidData } from '../system/failures.js';
import { NotRegularFile, reaching, readAll, withFile } from '../system/files.js';
import { availableCores } from '../system/threads.js';

/** The addon's antialiased bilinear resize of uint8 pixels. */
export type Resize = NativeAddon['resize'];

/** Deflate cannot compress better than this, so what announces more data is damaged. */
export const maxDeflateRatio = 1032;

/** Options of a loop over images. */
export interface LoopOptions {
  /** Called after each image. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborts the loop: it throws ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `body` for 0 … count − 1, starting in that order, at most `lanes` calls at a time, by default one per core: this
 * limits the memory of images that are decoded but not yet stored. (Decoding runs on libuv's pool, which has 4 threads
 * unless UV_THREADPOOL_SIZE was set before the process used it.) After a failure no new call starts; the failure is
 * thrown when all calls have ended.
 */
export async function forEachParallel(
  count: number,
  body: (index: number) => Promise<void>,
  lanes = availableCores(),
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const lane = async () => {
    while (next < count && failures.length === 0) {
      try {
        await body(next++);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, lanes) }, lane));
  if (failures.length > 0) throw failures[0];
}

/** After this many images the event loop gets a turn: awaiting resolved promises gives it none. */
const block = 256;

/**
 * Calls `body` for every image of the lists, one list after the other, each like `forEachParallel`; `onProgress` counts
 * the images of all. Throws the errors of `body`; ABORTED.
 */
export async function forEachImage<L extends { readonly list: { readonly count: number } }>(
  lists: readonly L[],
  folder: string,
  { onProgress, signal }: LoopOptions,
  body: (entry: L, index: number) => Promise<void>,
): Promise<void> {
  const total = lists.reduce((sum, { list }) => sum + list.count, 0);
  let done = 0;
  for (const entry of lists) {
    await forEachParallel(entry.list.count, async (index) => {
      throwIfAborted(`Loading ${folder}`, signal);
      await body(entry, index);
      onProgress?.(++done, total);
      if (done % block === 0) await new Promise(setImmediate);
    });
  }
}

/**
 * The size of a regular file in bytes.
 * Throws INVALID_DATA if it is no regular file, FILE_ACCESS if it cannot be accessed.
 */
export async function fileSize(file: string): Promise<number> {
  const status = await reaching(file, () => stat(file));
  if (!status.isFile()) throw notAFile(file, status.isDirectory() ? 'a folder' : 'no regular file');
  return status.size;
}

/** Reads a whole regular file. Throws like `fileSize`, and INVALID_DATA if it has more than `limit` bytes. */
export async function readWhole(file: string, limit: number): Promise<Buffer> {
  return reading(file, async (handle, size) => {
    if (size > limit) throw invalidData(`${file} has ${size} bytes; at most ${limit} are read.`);
    return Buffer.from((await readAll(handle, size)).buffer);
  });
}

/** The first `length` bytes of a regular file, or fewer if it is shorter. */
export async function readStart(file: string, length: number): Promise<Buffer> {
  return reading(file, async (handle) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  });
}

/** `length` bytes of a regular file from `start` on. Throws like `fileSize`, and INVALID_DATA if the file ends before. */
export async function readRange(file: string, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  return reading(file, async (handle, size) => {
    if (start + length > size) {
      throw invalidData(`${file} has ${size} bytes, fewer than when it was opened: read it again.`);
    }
    return readAll(handle, length, start);
  });
}

/** Like `withFile`, but a path that is no regular file gives INVALID_DATA: the data set is wrong. */
async function reading<T>(file: string, body: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  return withFile(file, body).catch((error: unknown) => {
    const { cause } = error as L2TError;
    if (cause instanceof NotRegularFile) throw notAFile(file, cause.found);
    throw error;
  });
}

const notAFile = (file: string, found: NotRegularFile['found']): L2TError =>
  invalidData(`${file} is ${found}, where a file is expected.`);
