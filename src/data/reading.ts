import { type FileHandle, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { L2TError } from '../errors.js';
import type { NativeAddon } from '../native/addon.js';
import { fileError, NotRegularFile, readAll, withFile } from '../system/files.js';

/** Antialiased bilinear on uint8 pixels: the addon's. */
export type Resize = NativeAddon['resize'];

/** What decoding needs beside the images. */
export interface DecodeOptions {
  readonly resize: Resize;
  /** Called after each image. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends the decoding with ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * `body` for 0 … count − 1 in order of start, one under way per core: what is decoded and not yet stored stays small.
 * (Decoding runs on libuv's pool, which has 4 threads unless UV_THREADPOOL_SIZE was set before the process used it.)
 * After a failure nothing new starts; it is thrown once everything under way has ended.
 */
export async function forEachParallel(count: number, body: (index: number) => Promise<void>): Promise<void> {
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
  await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, lane));
  if (failures.length > 0) throw failures[0];
}

/**
 * Size of a regular file, bytes.
 * Throws INVALID_DATA where it is no regular file, FILE_ACCESS where it cannot be reached.
 */
export async function fileSize(file: string): Promise<number> {
  const status = await reaching(file, () => stat(file));
  if (!status.isFile()) throw notAFile(file, status.isDirectory() ? 'a folder' : 'no regular file');
  return status.size;
}

/** All of a regular file. Throws as `fileSize`, and INVALID_DATA where it has more than `limit` bytes. */
export async function readWhole(file: string, limit: number): Promise<Buffer> {
  return reading(file, async (handle, size) => {
    if (size > limit) throw new L2TError('INVALID_DATA', `${file} has ${size} bytes; at most ${limit} are read.`);
    return Buffer.from((await readAll(handle, size)).buffer);
  });
}

/** The first `length` bytes of a regular file, fewer where it is shorter. Throws as `fileSize`. */
export async function readStart(file: string, length: number): Promise<Buffer> {
  return reading(file, async (handle) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  });
}

/** Of a data set's files, what is no regular file is a fault of the data. */
async function reading<T>(file: string, body: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  return withFile(file, body).catch((error: unknown) => {
    const { cause } = error as L2TError;
    if (cause instanceof NotRegularFile) throw notAFile(file, cause.found);
    throw error;
  });
}

const notAFile = (file: string, found: NotRegularFile['found']): L2TError =>
  new L2TError('INVALID_DATA', `${file} is ${found}, where a file is expected.`);

/** Runs a file-system call, turning its failure into FILE_ACCESS. */
export async function reaching<T>(file: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw fileError('read', file, cause);
  }
}
