import { randomBytes } from 'node:crypto';
import { fstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { fileError, readText } from './files.js';

/** Start of a process since boot, where the system says: a process id alone is soon given to another. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold spaces and brackets itself; the start is field 22, the 20th behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
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

/** Who holds the lock at `path`, which reads `text`; undefined where they are gone, or have not written it to its end. */
function holderOf(path: string, text: string): string | undefined {
  if (text === identity(process.pid)) return isOpenHere(path) ? 'another run of this process' : undefined;
  const pid = Number.parseInt(text, 10);
  return pid > 0 && isAlive(pid) && text === identity(pid) ? `process ${pid}` : undefined;
}

/** Nothing where there is no lock. */
async function readLock(path: string): Promise<string> {
  return readText(path).catch((error: unknown) => {
    if ((error as { cause?: NodeJS.ErrnoException }).cause?.code === 'ENOENT') return '';
    throw error;
  });
}

/** @throws L2TError INVALID_RUN where a run holds the folder; FILE_ACCESS. */
export async function requireFree(folder: string): Promise<void> {
  const path = join(folder, 'lock');
  const holder = holderOf(path, await readLock(path));
  if (holder !== undefined) throw inUse(folder, holder);
}

const inUse = (folder: string, holder: string): L2TError =>
  new L2TError('INVALID_RUN', `${folder} is in use by ${holder}: wait for it to end, or stop it.`);

/**
 * Keeps two runs out of one folder. A lock whose process is gone is taken over; so is one of this process that no run holds:
 * it was left by a worker thread that was ended. Who holds a lock keeps it open, which ends with the thread.
 */
export class FolderLock {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws L2TError INVALID_RUN where another process, or another run of this one, holds the folder; FILE_ACCESS. */
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

  /** Removes what processes left that were killed while they took this lock. */
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
      // In this order: a lock that is not open is anybody's, and what is removed must be this one.
      await rm(this.path, { force: true });
    } catch (error) {
      throw fileError('remove', this.path, error);
    } finally {
      await this.file.close();
    }
  }
}

/** Does `body`, then releases the lock. Where `body` fails, a failure of the release is not reported: it has the same reason. */
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

/** Those of living processes stay. */
async function removeDeadLocks(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((entry) => /^lock\.[0-9a-f]{12}$/.test(entry))) {
    const path = join(folder, name);
    if (holderOf(path, await readLock(path)) === undefined) await rm(path, { force: true });
  }
}

/** Does any thread of this process have the file open? Each thread has modules of its own, but all share descriptors. */
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

/** Written beside its place and linked there, so that nobody ever reads a lock half written. Nothing where there is one. */
async function createLock(path: string): Promise<FileHandle | undefined> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  let file: FileHandle | undefined;
  let taken = false;
  try {
    await writeFile(mine, identity(process.pid), { flag: 'wx' });
    // Only for reading: a file system with a file that is open for writing could not be made read-only.
    file = await open(mine, 'r');
    taken = await linkTo(mine, path);
    return taken ? file : undefined;
  } catch (error) {
    throw fileError('write', path, error);
  } finally {
    if (!taken) await file?.close();
    // A failure before this one is the one to report; what stays is removed by the next holder (removeDeadLocks).
    await rm(mine, { force: true }).catch(() => {});
  }
}

/** False where the lock is there already, or the next holder has removed `mine` while it was half written. */
async function linkTo(mine: string, path: string): Promise<boolean> {
  try {
    await link(mine, path);
    return true;
  } catch (error) {
    if (['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Moves the lock aside; where that caught a newer one than was judged, it is put back. */
async function removeStale(path: string, judged: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another was faster
    throw fileError('write', path, error);
  }
  const moved = await readLock(aside);
  const newer = (moved !== judged && moved !== '') || isOpenHere(aside);
  if (newer) await link(aside, path).catch(() => {});
  await rm(aside, { force: true }).catch(() => {});
}
