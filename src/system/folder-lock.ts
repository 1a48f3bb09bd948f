import { randomBytes } from 'node:crypto';
import { fstatSync, readdirSync, statSync } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { fileError, readText } from './files.js';
import { readSystem } from './limits.js';

/** When a process started, since boot; '' if unknown. A process id alone is not enough: the system reuses it. */
function startOf(pid: number): string {
  const stat = readSystem(`/proc/${pid}/stat`);
  // The start is field 22, the 20th after the name. The name, in brackets, may itself hold spaces and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

const identity = (pid: number): string => `${pid} ${startOf(pid)}\n`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The holder of the lock at `path` with the content `text`; undefined if it has ended, or `text` is incomplete. */
function holderOf(path: string, text: string): string | undefined {
  if (text === identity(process.pid)) return isOpenHere(path) ? 'another run of this process' : undefined;
  const pid = Number.parseInt(text, 10);
  return pid > 0 && isAlive(pid) && text === identity(pid) ? `process ${pid}` : undefined;
}

/** The lock's content; '' if there is no lock. */
async function readLock(path: string): Promise<string> {
  return readText(path).catch((error: unknown) => {
    if ((error as { cause?: NodeJS.ErrnoException }).cause?.code === 'ENOENT') return '';
    throw error;
  });
}

/** @throws L2TError INVALID_RUN if a run holds the folder; FILE_ACCESS. */
export async function requireFree(folder: string): Promise<void> {
  const path = join(folder, 'lock');
  const holder = holderOf(path, await readLock(path));
  if (holder !== undefined) throw inUse(folder, holder);
}

const inUse = (folder: string, holder: string): L2TError =>
  new L2TError('INVALID_RUN', `${folder} is in use by ${holder}: wait for it to end, or stop it.`);

/**
 * Prevents two runs from using the same folder. A holder keeps its lock file open. A lock is taken over if its process
 * has ended, or if it belongs to this process but no thread has it open: then a terminated worker thread has left it.
 */
export class FolderLock {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws L2TError INVALID_RUN if another process, or another run of this one, holds the folder; FILE_ACCESS. */
  static async acquire(folder: string): Promise<FolderLock> {
    const path = join(folder, 'lock');
    for (let attempt = 0; attempt < 10; attempt++) {
      const file = await createLock(path);
      if (file) return new FolderLock(path, file).#tidied(folder);
      const held = await readLock(path);
      const holder = holderOf(path, held);
      if (holder !== undefined) throw inUse(folder, holder);
      await removeStale(path, held);
    }
    throw new L2TError('INVALID_RUN', `${folder} is fought over by several processes: try again.`);
  }

  /** Removes the temporary files of processes that were killed while they took this lock. */
  async #tidied(folder: string): Promise<FolderLock> {
    try {
      await removeDeadLocks(folder);
      return this;
    } catch (error) {
      await this.release().catch(() => {});
      throw fileError('clear', folder, error);
    }
  }

  /** @throws L2TError FILE_ACCESS. */
  async release(): Promise<void> {
    try {
      // Remove, then close: once the file is closed, another run may take over, and its lock would be removed.
      await rm(this.path, { force: true });
    } catch (error) {
      throw fileError('remove', this.path, error);
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

/** Removes temporary lock files, except those of running processes. */
async function removeDeadLocks(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((entry) => /^lock\.[0-9a-f]{12}$/.test(entry))) {
    const path = join(folder, name);
    if (holderOf(path, await readLock(path)) === undefined) await rm(path, { force: true });
  }
}

/** Does any thread of this process have the file open? Threads share file descriptors, but not modules. */
function isOpenHere(path: string): boolean {
  const wanted = statSync(path, { throwIfNoEntry: false });
  if (wanted === undefined) return false;
  return descriptors().some((descriptor) => {
    try {
      const { dev, ino } = fstatSync(Number(descriptor));
      return dev === wanted.dev && ino === wanted.ino;
    } catch {
      return false; // closed since it was listed
    }
  });
}

function descriptors(): string[] {
  try {
    return readdirSync('/dev/fd');
  } catch (error) {
    throw fileError('read', '/dev/fd', error);
  }
}

/**
 * Creates the lock; undefined if there is one already. It is written under another name, then linked to `path`, so that
 * no process can read an incomplete lock.
 */
async function createLock(path: string): Promise<FileHandle | undefined> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  let file: FileHandle | undefined;
  let taken = false;
  try {
    await writeFile(mine, identity(process.pid), { flag: 'wx' });
    // Opened only for reading: a file system cannot be made read-only while a file on it is open for writing.
    file = await open(mine, 'r');
    taken = await linkTo(mine, path);
    return taken ? file : undefined;
  } catch (error) {
    throw fileError('write', path, error);
  } finally {
    if (!taken) await file?.close();
    // A failure here is ignored: the next holder removes the file (removeDeadLocks).
    await rm(mine, { force: true }).catch(() => {});
  }
}

/** False if the lock exists already, or if another holder has removed `mine` because it was still incomplete. */
async function linkTo(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Removes the lock with the content `judged`. Renames it first; if it proves to be a newer lock, puts it back. */
async function removeStale(path: string, judged: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another process has removed it
    throw fileError('write', path, error);
  }
  const moved = await readLock(aside);
  const newer = (moved !== judged && moved !== '') || isOpenHere(aside);
  if (newer) await link(aside, path).catch(() => {});
  await rm(aside, { force: true }).catch(() => {});
}
