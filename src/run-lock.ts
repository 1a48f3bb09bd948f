import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { L2TError } from './errors.js';
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

/** The living process that wrote a lock; undefined where it is gone, or has not written it to its end. */
function holderOf(text: string): number | undefined {
  const pid = Number.parseInt(text, 10);
  return pid > 0 && isAlive(pid) && text === identity(pid) ? pid : undefined;
}

/** Nothing where there is no lock. */
async function readLock(path: string): Promise<string> {
  return readText(path).catch((error: unknown) => {
    if ((error as { cause?: NodeJS.ErrnoException }).cause?.code === 'ENOENT') return '';
    throw error;
  });
}

/** @throws L2TError INVALID_RUN where a process holds the folder; FILE_ACCESS. */
export async function requireFree(folder: string): Promise<void> {
  const pid = holderOf(await readLock(join(folder, 'lock')));
  if (pid !== undefined) throw inUse(folder, pid);
}

const inUse = (folder: string, pid: number): L2TError =>
  new L2TError('INVALID_RUN', `${folder} is in use by process ${pid}: wait for it to end, or stop it.`);

/** Keeps two processes out of one run folder. A lock whose process is gone is taken over. */
export class RunLock {
  private constructor(private readonly path: string) {}

  /** @throws L2TError INVALID_RUN where another process, or another run of this one, holds the folder; FILE_ACCESS. */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, 'lock');
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await createLock(path)) return new RunLock(path);
      const held = await readLock(path);
      const pid = holderOf(held);
      if (pid !== undefined) throw inUse(folder, pid);
      await removeStale(path, held);
    }
    throw new L2TError('INVALID_RUN', `${folder} is fought over by several processes: try again.`);
  }

  /** @throws L2TError FILE_ACCESS. */
  async release(): Promise<void> {
    await rm(this.path, { force: true }).catch((error: unknown) => {
      throw fileError('remove', this.path, error);
    });
  }
}

/** Does `body`, then releases the lock. Where `body` fails, a failure of the release is not reported: it has the same reason. */
export async function releaseAfter<T>(lock: RunLock, body: () => Promise<T>): Promise<T> {
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

/** Removes what processes left that were killed while they took a lock. Those of living ones stay. */
export async function removeDeadLocks(folder: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((entry) => /^lock\.[0-9a-f]{12}$/.test(entry))) {
    const path = join(folder, name);
    if (holderOf(await readLock(path)) === undefined) await rm(path, { force: true });
  }
}

/** Written beside its place and linked there, so that nobody ever reads a lock half written. */
async function createLock(path: string): Promise<boolean> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(mine, identity(process.pid), { flag: 'wx' });
    return await linkTo(mine, path);
  } catch (error) {
    throw fileError('write', path, error);
  } finally {
    // A failure before this one is the one to report; what stays is removed by the next run (removeDeadLocks).
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
  if (moved !== judged && moved !== '') await link(aside, path).catch(() => {});
  await rm(aside, { force: true }).catch(() => {});
}
