import { createWriteStream, existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { inspect, type Probe } from '../../setup/libtorch.mjs';
import { L2TError } from '../errors.js';
import { fetchFile } from '../system/download.js';
import { fileAccess } from '../system/failures.js';
import { fileError, listFolder, makeFolder, reaching, requireRegular } from '../system/files.js';

/** Bytes. Official archives have up to 4 GB. */
const largestArchive = 2 ** 33;
/** Limits on the unpacked archive. Official CUDA archives unpack to about 7 GB in 20,000 files. */
const mostBytes = 2 ** 34;
const mostEntries = 200_000;
/** Unpacked size over packed size: 3 or 4 for shared libraries, 1000 for a zip bomb. */
const mostExpansion = 100;

/** Called as work proceeds: `done` of `total` bytes or files; `total` is undefined if it is unknown. */
export type Progress = (what: string, done: number, total: number | undefined) => void;

/** Fetches an archive into `path`. @throws L2TError LIBTORCH_NOT_FOUND with the server's or the network's reason. */
export async function download(url: string, path: string, progress: Progress): Promise<void> {
  const onProgress = (done: number, total?: number): void => progress('fetching LibTorch', done, total);
  await fetchFile(url, path, { maxBytes: largestArchive, onProgress }).catch((cause: Error) => {
    if (cause instanceof L2TError) throw cause;
    throw new L2TError(
      'LIBTORCH_NOT_FOUND',
      `Cannot fetch ${url}: ${cause.message}. Fetch the archive on a machine that can, then: l2t-native setup --from FILE.`,
      { cause },
    );
  });
}

/**
 * Installs a LibTorch from an official zip archive, or from an unpacked one, in `destination`, replacing its old
 * content. It is unpacked into a temporary folder, checked (headers, version, C++ ABI, does it load), and only then
 * renamed, so a failure or an interruption keeps the old content; of several processes, the last one's stays. A call
 * removes the temporary folders of processes that were killed more than a day ago.
 * @throws L2TError LIBTORCH_NOT_FOUND if the archive is damaged, hostile or unfit; FILE_ACCESS.
 */
export async function installLibTorch({
  from,
  fetch,
  destination,
  load,
  progress,
}: {
  readonly from: string;
  /** Downloads the archive from the URL `from` to `path`. If absent, `from` is a path. */
  readonly fetch?: (path: string) => Promise<void>;
  readonly destination: string;
  readonly load?: Probe;
  readonly progress: Progress;
}): Promise<{ path: string; version: string }> {
  const home = dirname(destination);
  await makeFolder(home);
  await removeLeftOvers(home, destination);
  const temporary = await reaching(home, () => mkdtemp(join(home, temporaryName)), 'write');
  try {
    const archive = fetch ? join(temporary, 'libtorch.zip') : from;
    await fetch?.(archive);
    if (await isFolderOrFile(archive)) await copyFolder(archive, join(temporary, 'libtorch'), progress, load);
    else await unzip(archive, temporary, progress);
    const root = await libtorchRoot(temporary);
    const seen = inspect(root, load);
    if (seen.reason !== undefined) throw unfit(from, seen.reason);
    await replace(root, destination, join(temporary, oldName));
    return { path: destination, version: seen.version };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const temporaryName = '.unpacking-';
const oldName = 'libtorch.old';

/** Milliseconds after which a temporary folder is that of a killed process. */
const leftOverAfter = 24 * 3600 * 1000;

/** Removes the temporary folders of killed processes, and puts back an old LibTorch that one of them had moved away. */
async function removeLeftOvers(home: string, destination: string): Promise<void> {
  for (const name of (await listFolder(home)).filter((entry) => entry.startsWith(temporaryName))) {
    const folder = join(home, name);
    const found = await stat(folder).catch(() => undefined);
    const old = join(folder, oldName);
    // Another process may be just about to put a new one there: `replace` then tries again. It may also be faster.
    if (existsSync(old) && !existsSync(destination)) await rename(old, destination).catch(() => {});
    if (found && Date.now() - found.mtimeMs > leftOverAfter) await rm(folder, { recursive: true, force: true });
  }
}

/** True for a folder, false for a file. @throws L2TError FILE_ACCESS otherwise: reading a pipe might never end. */
const isFolderOrFile = (path: string): Promise<boolean> =>
  reaching(path, async () => {
    const status = await stat(path);
    if (!status.isDirectory()) requireRegular(status);
    return status.isDirectory();
  });

function unfit(from: string, reason: string): L2TError {
  return new L2TError(
    'LIBTORCH_NOT_FOUND',
    `${from} does not hold a LibTorch that can be used: ${reason}. ` +
      'Take a LibTorch archive for Linux (C++, shared, cxx11 ABI) from https://pytorch.org/get-started/locally/.',
  );
}

/** An archive holds one folder, libtorch/. `folder` may be that folder or its parent. */
async function libtorchRoot(folder: string): Promise<string> {
  const inner = join(folder, 'libtorch');
  return (await listFolder(folder)).includes('libtorch') ? inner : folder;
}

async function replace(root: string, destination: string, old: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const hadOne = await rename(destination, old).then(
      () => true,
      () => false,
    );
    try {
      await rename(root, destination);
      return await rm(old, { recursive: true, force: true });
    } catch (error) {
      // Another process has put one there meanwhile.
      const raced = (error as NodeJS.ErrnoException).code === 'ENOTEMPTY' && attempt < 10;
      if (hadOne) await (raced ? rm(old, { recursive: true, force: true }) : rename(old, destination));
      if (!raced) throw fileError('write', destination, error);
    }
  }
}

async function copyFolder(from: string, to: string, progress: Progress, load?: Probe): Promise<void> {
  const root = await libtorchRoot(from);
  const seen = inspect(root, load);
  if (seen.reason !== undefined) throw unfit(from, seen.reason);
  // The LibTorch of a system or of a Python environment lies among many unrelated files, so it is not copied.
  if (seen.libDir !== join(root, 'lib')) throw unfit(from, `it is no unpacked archive; use it with LIBTORCH=${root}`);
  let files = 0;
  const filter = (path: string): boolean => {
    progress(`copying ${basename(path)}`, ++files, undefined);
    return true;
  };
  try {
    for (const part of (await readdir(root)).filter((name) => ['include', 'lib', 'share'].includes(name))) {
      // `dereference`: a link may lead out of the folder, so its target is copied.
      await cp(join(root, part), join(to, part), { recursive: true, dereference: true, filter });
    }
  } catch (error) {
    throw fileError('read', root, error);
  }
}

async function unzip(from: string, to: string, progress: Progress): Promise<void> {
  let zip: ZipFile;
  try {
    zip = await openPromise(from, { autoClose: false, strictFileNames: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === undefined
      ? unfit(from, `it is not an intact zip archive (${message})`)
      : fileError('read', from, error);
  }
  try {
    const entries = await readEntries(zip, from);
    const total = judge(entries, zip.fileSize, from);
    await requireSpace(to, total);
    let done = 0;
    for (const entry of entries) {
      await extract(zip, entry, to, from);
      done += entry.uncompressedSize;
      progress(`unpacking ${basename(entry.fileName)}`, done, total);
    }
  } finally {
    zip.close();
  }
}

async function readEntries(zip: ZipFile, from: string): Promise<Entry[]> {
  if (zip.entryCount > mostEntries) throw unfit(from, `it has more than ${mostEntries} entries`);
  const entries: Entry[] = [];
  try {
    // yauzl itself refuses absolute names, backslashes and "..".
    for await (const entry of zip.eachEntry()) entries.push(entry);
  } catch (error) {
    throw unfit(from, `it is damaged or hostile (${(error as Error).message})`);
  }
  return entries;
}

/** Refuses a hostile or unfit archive before anything is written. Returns the unpacked size in bytes. */
function judge(entries: readonly Entry[], archiveSize: number, from: string): number {
  const names = new Set<string>();
  let total = 0;
  for (const entry of entries) {
    const name = JSON.stringify(entry.fileName);
    const type = (entry.externalFileAttributes >>> 16) & 0o170000;
    if (type !== 0 && type !== 0o100000 && type !== 0o040000)
      throw unfit(from, `its entry ${name} is a link or device`);
    if (entry.fileName.includes('\0')) throw unfit(from, `its entry ${name} has a name that is none`);
    if (entry.isEncrypted()) throw unfit(from, `its entry ${name} is encrypted`);
    if (names.has(entry.fileName)) throw unfit(from, `it has two entries ${name}`);
    names.add(entry.fileName);
    total += entry.uncompressedSize;
  }
  if (total > mostBytes) throw unfit(from, `it unpacks to ${total} bytes, more than ${mostBytes}`);
  if (total > archiveSize * mostExpansion) throw unfit(from, 'it unpacks to more than a hundred times its size');
  for (const name of ['libtorch/lib/libtorch.so', 'libtorch/include/torch/csrc/api/include/torch/version.h']) {
    if (!names.has(name)) throw unfit(from, `it has no ${name}`);
  }
  return total;
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize > bytes) return;
  throw fileAccess(
    `LibTorch unpacks to ${Math.ceil(bytes / 1e6)} MB, and ${dirname(folder)} has ${Math.floor((bavail * bsize) / 1e6)} MB ` +
      'free: make room, or set XDG_DATA_HOME to a folder on another disk.',
  );
}

async function extract(zip: ZipFile, entry: Entry, to: string, from: string): Promise<void> {
  const path = join(to, entry.fileName);
  try {
    if (entry.fileName.endsWith('/')) {
      await makeFolder(path);
      return;
    }
    await makeFolder(dirname(path));
    const checked = checkedAgainst(entry.crc32);
    await pipeline(await zip.openReadStreamPromise(entry), checked, createWriteStream(path, { flags: 'wx' }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined && /^E[A-Z]+$/.test(code)) throw fileError('write', path, error);
    throw unfit(from, `its entry ${JSON.stringify(entry.fileName)} is damaged (${message})`);
  }
}

/** A stream that passes bytes on, and fails at the end if their CRC-32 is not `expected`. */
function checkedAgainst(expected: number) {
  return async function* (source: Readable): AsyncGenerator<Buffer> {
    let sum = 0;
    for await (const chunk of source) {
      sum = crc32(chunk as Buffer, sum);
      yield chunk as Buffer;
    }
    if (sum !== expected) throw new Error('wrong checksum');
  };
}
