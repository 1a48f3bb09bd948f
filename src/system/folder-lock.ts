import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { L2TError } from '../errors.js';
import { fileError, guardWrites, withFile } from './files.js';
import { beatEvery, type FoundLock, goneAfter, identity, isOpenHere, judge, nameOf } from './lock-holder.js';

/** The lock; an empty one if there is none. It is opened, because NFS looks at the server's file only then. */
async function readLock(path: string): Promise<FoundLock> {
  try {
    return await withFile(path, async (handle) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
      return { text: buffer.toString('utf8', 0, bytesRead), beat: (await handle.stat()).mtimeMs };
    });
  } catch (error) {
    const { code } = (error as { cause?: NodeJS.ErrnoException }).cause ?? {};
    // ESTALE: on NFS, another host has replaced the file.
    if (code === 'ENOENT' || code === 'ESTALE') return { text: '', beat: 0 };
    throw error;
  }
}

/** A new name beside the lock, for a file that belongs to one attempt or one holder. */
const besideLock = (path: string, id = randomBytes(6).toString('hex')): string => `${path}.${id}`;
const isBesideLock = (name: string): boolean => /^lock\.[0-9a-f]{12}$/.test(name);

/** Who holds the folder, to end a sentence; undefined if nobody does. @throws L2TError FILE_ACCESS. */
export async function holderOf(folder: string): Promise<string | undefined> {
  const path = join(folder, 'lock');
  const { alive, holder } = await judge(path, await readLock(path), () => clockOf(path));
  return alive ? holder : undefined;
}

/** @throws L2TError INVALID_RUN if a run holds the folder; FILE_ACCESS. */
export async function requireFree(folder: string): Promise<void> {
  const holder = await holderOf(folder);
  if (holder !== undefined) throw inUse(folder, holder);
}

/** The time by the clock of the lock's file system, milliseconds: that of a file written now. */
async function clockOf(path: string): Promise<number> {
  const probe = besideLock(path);
  try {
    await writeFile(probe, '', { flag: 'wx' });
    return (await stat(probe)).mtimeMs;
  } catch (error) {
    throw fileError('write', path, error);
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
}

const inUse = (folder: string, holder: string): L2TError =>
  new L2TError('INVALID_RUN', `${folder} is in use by ${holder}: wait for it to end, or stop it.`);

/**
 * Prevents two runs from using the same folder, also on several hosts that share a file system. It is made by `link`
 * and removed by `rename` alone, which are atomic on NFS, too.
 *
 * The lock is one file with two names: `lock`, which says who holds the folder, and `lock.ID`, which only its holder
 * touches: every 10 s it writes there, as a sign of life. A holder keeps the file open. A lock is taken over if its
 * process has ended; if it belongs to this process but no thread has it open (then a terminated worker thread has left
 * it); or, of another host, if its last sign of life is more than 60 s old. A holder that was suspended for so long
 * notices: before each atomic write into the folder, the lock is read again.
 */
export class FolderLock {
  readonly #timer: NodeJS.Timeout;
  readonly #endGuard: () => void;

  private constructor(
    private readonly folder: string,
    private readonly id: string,
    private readonly text: string,
    private readonly file: FileHandle,
  ) {
    this.#timer = setInterval(() => void this.#beat(), beatEvery).unref();
    this.#endGuard = guardWrites(folder, () => this.requireHeld());
  }

  get #path(): string {
    return join(this.folder, 'lock');
  }

  /**
   * `onTakeOver` is called with a message if the folder was locked, and its holder is gone.
   * @throws L2TError INVALID_RUN if another process, or another run of this one, holds the folder; FILE_ACCESS.
   */
  static async acquire(folder: string, onTakeOver: (message: string) => void = () => {}): Promise<FolderLock> {
    const path = join(folder, 'lock');
    for (let attempt = 0; attempt < 10; attempt++) {
      const id = randomBytes(6).toString('hex');
      const text = identity(id);
      const file = await createLock(path, id, text);
      if (file) return new FolderLock(folder, id, text, file).#tidied();
      const found = await readLock(path);
      const { alive, holder } = await judge(path, found, () => clockOf(path));
      if (alive) throw inUse(folder, holder);
      const removed = await removeStale(path, found);
      if (removed && holder !== '') onTakeOver(`${folder} was in use by ${holder}: it is taken over`);
    }
    throw new L2TError('INVALID_RUN', `${folder} is fought over by several processes: try again.`);
  }

  /** Removes the files of processes that were killed while they took or held this lock. */
  async #tidied(): Promise<FolderLock> {
    try {
      await removeDeadLocks(this.folder);
      return this;
    } catch (error) {
      await this.release().catch(() => {});
      throw fileError('clear', this.folder, error);
    }
  }

  /** A sign of life. By the holder's own name of the file: `lock` may be another's by now. */
  async #beat(): Promise<void> {
    try {
      // Opened for this alone: a file system cannot be made read-only while a file on it is open for writing.
      const file = await open(besideLock(this.#path, this.id), 'r+');
      try {
        // A write, not utimes: the time is then that of the file system's own clock.
        await file.write(this.text, 0);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch {
      // If it goes on, another host takes the folder over, and the next write finds that out.
    }
  }

  /**
   * Requires that this is still the folder's lock.
   * @throws L2TError INVALID_RUN if another process has taken the folder over, or the lock or the folder was moved or removed; FILE_ACCESS.
   */
  async requireHeld(): Promise<void> {
    let text = '';
    // Another process that looks at the lock may move it away for a moment, and put it back.
    for (let attempt = 0; attempt < 5; attempt++) {
      if (attempt > 0) await wait(100);
      text = (await readLock(this.#path)).text;
      if (text === this.text) return;
    }
    const lost = existsSync(this.folder)
      ? 'its lock was removed while this process worked in it'
      : 'it was moved or removed while this process worked in it. If it was moved, go on where it is now, with --resume';
    const why =
      text === ''
        ? lost
        : `${nameOf(text)} has taken it over, because this process gave no sign of life for ${goneAfter / 1000} s`;
    throw new L2TError('INVALID_RUN', `${this.folder} is no longer this process's: ${why}. Nothing more is written.`);
  }

  /** @throws L2TError FILE_ACCESS. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    this.#endGuard();
    try {
      // Remove, then close: once the file is closed, another run may take over, and its lock would be removed.
      if ((await readLock(this.#path)).text === this.text) await rm(this.#path, { force: true });
      await rm(besideLock(this.#path, this.id), { force: true });
    } catch (error) {
      throw fileError('remove', this.#path, error);
    } finally {
      await this.file.close();
    }
  }
}

/**
 * Calls `body`, then releases the lock. If `body` fails, only its error is reported: a failing release has the same
 * cause.
 */
export async function releaseAfter<T>(lock: FolderLock, body: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await body();
  } catch (error) {
    await lock.release().catch(() => {});
    throw error;
  }
  await lock.release();
  return result;
}

/** Removes the second names of locks and what attempts have left, except those of running processes. */
async function removeDeadLocks(folder: string): Promise<void> {
  const path = join(folder, 'lock');
  for (const name of (await readdir(folder)).filter(isBesideLock)) {
    const other = join(folder, name);
    const { alive } = await judge(other, await readLock(other), () => clockOf(path));
    if (!alive) await rm(other, { force: true });
  }
}

/**
 * Creates the lock; undefined if there is one already, or if a new holder took this attempt's file for a dead one and
 * removed it: the file is incomplete, or not open, for a moment. It is written under its second name, then linked to `path`, so
 * that no process can read an incomplete lock.
 */
async function createLock(path: string, id: string, text: string): Promise<FileHandle | undefined> {
  const mine = besideLock(path, id);
  let file: FileHandle | undefined;
  let [written, taken] = [false, false];
  try {
    await writeFile(mine, text, { flag: 'wx' });
    written = true;
    // Opened only for reading: a file system cannot be made read-only while a file on it is open for writing.
    file = await open(mine, 'r');
    taken = await linkTo(mine, path);
    return taken ? file : undefined;
  } catch (error) {
    if (written && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError('write', path, error);
  } finally {
    if (!taken) {
      await file?.close();
      // A failure here is ignored: the next holder removes the file (removeDeadLocks).
      await rm(mine, { force: true }).catch(() => {});
    }
  }
}

/** False if the lock exists already. */
async function linkTo(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    // NFS may lose the answer to a link that was made, and report it as existing when it asks again.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return (await stat(mine).catch(() => undefined))?.nlink === 2;
  }
}

/**
 * Removes the lock that was judged. Renames it first; if it proves to be a newer lock, or to have given a sign of life
 * since, puts it back. Returns whether it removed it.
 */
async function removeStale(path: string, judged: FoundLock): Promise<boolean> {
  const aside = besideLock(path);
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // another process has removed it
    throw fileError('write', path, error);
  }
  const moved = await readLock(aside);
  const differs = moved.text !== judged.text || moved.beat !== judged.beat;
  const newer = (differs && moved.text !== '') || isOpenHere(aside);
  if (newer) await link(aside, path).catch(() => {});
  await rm(aside, { force: true }).catch(() => {});
  return !newer;
}
