import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
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

/** Keeps two processes out of one run folder. A lock whose process is gone is taken over. */
export class RunLock {
  private constructor(private readonly path: string) {}

  /** @throws L2TError INVALID_RUN where another process, or another run of this one, holds the folder. */
  static async acquire(folder: string): Promise<RunLock> {
    const path = join(folder, 'lock');
    for (let attempt = 0; attempt < 10; attempt++) {
      if (await createLock(path)) return new RunLock(path);
      const held = await readFile(path, 'utf8').catch(() => '');
      const pid = Number.parseInt(held, 10);
      if (pid > 0 && isAlive(pid) && held === identity(pid)) {
        throw new L2TError('INVALID_RUN', `${folder} is in use by process ${pid}: wait for it to end, or stop it.`);
      }
      await removeStale(path, held);
    }
    throw new L2TError('INVALID_RUN', `${folder} is fought over by several processes: try again.`);
  }

  async release(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

/** Written beside its place and linked there, so that nobody ever reads a lock half written. */
async function createLock(path: string): Promise<boolean> {
  const mine = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(mine, identity(process.pid), { flag: 'wx' });
    await link(mine, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
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
  if ((await readFile(aside, 'utf8')) !== judged) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}
