import { randomBytes } from 'node:crypto';
import { fstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from './errors.js';
import { fileError } from './files.js';

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

/**
 * Keeps two runs out of one folder. A lock whose process is gone is taken over; so is one of this process that no run holds:
 * it was left by a worker thread that was ended. Who holds a lock keeps it open, which ends with the thread.
 */
export class RunLock {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** @throws L2TError INVALID_RUN where another process, or another run of this one, holds the folder. */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, 'lock');
    for (let attempt = 0; attempt < 10; attempt++) {
      const file = await createLock(path);
      if (file) return new RunLock(path, file);
      const held = await readFile(path, 'utf8').catch(() => '');
      const pid = Number.parseInt(held, 10);
      const own = held === identity(process.pid);
      if (own ? isOpenHere(path) : pid > 0 && isAlive(pid) && held === identity(pid)) {
        const holder = own ? 'another run of this process' : `process ${pid}`;
        throw new L2TError('INVALID_RUN', `${folder} is in use by ${holder}: wait for it to end, or stop it.`);
      }
      await removeStale(path, held);
    }
    throw new L2TError('INVALID_RUN', `${folder} is fought over by several processes: try again.`);
  }

  async release(): Promise<void> {
    // In this order: a lock that is not open is anybody's, and what is removed must be this one.
    await rm(this.path, { force: true });
    await this.file.close();
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
  try {
    file = await open(mine, 'wx');
    await file.writeFile(identity(process.pid));
    await link(mine, path);
    return file;
  } catch (error) {
    await file?.close();
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw fileError('write', path, error);
  } finally {
    await rm(mine, { force: true });
  }
}

/** Moves the lock aside; where that caught a newer one than was judged, it is put back. */
async function removeStale(path: string, judged: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return; // another was faster
  }
  const newer = (await readFile(aside, 'utf8')) !== judged || isOpenHere(aside);
  if (newer) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}
