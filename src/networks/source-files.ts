import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { type FileHandle, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { L2TError } from '../errors.js';
import type { PublishedFile } from '../options/sources.js';
import { throwIfAborted } from '../system/abort.js';
import { fetchFile } from '../system/download.js';
import { fileAccess, invalidWeights } from '../system/failures.js';
import { makeFolder, reaching, withFile } from '../system/files.js';

/** Bytes: more than any of the networks has. */
const largest = 2 ** 31;

interface GetOptions {
  /** A file, or the address of a mirror, in place of the row's address. */
  readonly from?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number, total?: number) => void;
}

/**
 * Puts the weight file of the source `name` at `path`, unless it is there already: complete and checked, or not at all.
 * An interrupted download goes on where it ended.
 * @returns whether it was there already.
 * @throws L2TError FILE_ACCESS; INVALID_WEIGHTS if it is not the file that the row describes; ABORTED.
 */
export async function getSource(name: string, row: PublishedFile, path: string, options: GetOptions): Promise<boolean> {
  const { from = row.url, signal, onProgress } = options;
  if (existsSync(path) && (await problemOf(path, row)) === undefined) return true;
  await makeFolder(dirname(path));
  const part = `${path}.part`;
  if (/^https?:\/\//i.test(from)) {
    const cannot = (cause: Error) => {
      throwIfAborted('The download, which the same command continues,', signal);
      if (cause instanceof L2TError) throw cause;
      const elsewhere = `put it at ${path}, or: l2t-native source get ${name} --from FILE`;
      throw fileAccess(
        `Cannot fetch ${from}: ${cause.message}. Fetch it on a machine that can, and ${elsewhere}.`,
        cause,
      );
    };
    await fetchFile(from, part, { maxBytes: largest, secure: true, signal, onProgress }).catch(cannot);
  } else {
    const copy = (handle: FileHandle) =>
      pipeline(handle.createReadStream({ autoClose: false }), createWriteStream(part, { flush: true }));
    await withFile(from, (handle) => reaching(part, () => copy(handle), 'write'));
  }
  const problem = await problemOf(part, row);
  if (problem === undefined) await reaching(path, () => rename(part, path), 'write');
  else {
    await rm(part, { force: true });
    throw invalidWeights(
      `${from} is not the ${name} that was published: ${problem}. It is not kept: try again, or give another --from.`,
    );
  }
  return false;
}

/** Returns what is wrong with the file; undefined if it has the size and the checksum of the row. */
const problemOf = (path: string, { mebibytes, sha256 }: PublishedFile): Promise<string | undefined> =>
  withFile(path, async (handle, size) => {
    if (Math.abs(size / 2 ** 20 - mebibytes) > 0.001) return `it has ${size} bytes, and not ${mebibytes} MiB`;
    const hash = createHash('sha256');
    for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
    const found = hash.digest('hex').slice(0, sha256.length);
    return found === sha256
      ? undefined
      : `its SHA-256 begins with ${found.slice(0, 8)}, and not with ${sha256.slice(0, 8)}`;
  });
