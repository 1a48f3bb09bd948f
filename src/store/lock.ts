import { createHash, randomUUID } from 'node:crypto';
import { existsSync, constants as flags } from 'node:fs';
import { type FileHandle, open, rm, stat, writeFile } from 'node:fs/promises';
import { constants, hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import * as z from 'zod';
import type { L2TError } from '../errors.js';
import { environment } from '../native/environment.js';
import { invalidRun } from '../system/failures.js';
import {
  fileError,
  guardWrites,
  reaching,
  requireReplaceable,
  temporaryOf,
  withFile,
  writeFileAtomic,
} from '../system/files.js';
import { readSystem } from '../system/limits.js';

/** Milliseconds between a holder's signs of life; and, without one, until a holder on another host counts as gone. */
const [beatEvery, goneAfter] = [10_000, 60_000];

/** The content of lock.holder: who holds the folder. */
const holderSchema = z.object({
  process: z.int(),
  host: z.string(),
  since: z.string(),
  /** Tells this boot of this machine from others: host names are not unique. */
  boot: z.string(),
  /** Tells this holder from all others. */
  id: z.string(),
});

interface Holder extends z.output<typeof holderSchema> {
  readonly text: string;
  /** The file's time of change, milliseconds: the last sign of life, by the file system's own clock. */
  readonly beat: number;
}

const lockOf = (folder: string): string => join(folder, 'lock');
export const holderName = 'lock.holder';
const holderFileOf = (folder: string): string => join(folder, holderName);

const thisBoot = (): string =>
  createHash('sha256').update(readSystem('/proc/sys/kernel/random/boot_id')).digest('hex').slice(0, 12);

/** The text of lock.holder, which is shorter. */
async function textOf(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
  return buffer.toString('utf8', 0, bytesRead);
}

/** Reads the holder from its file; undefined if there is none, or another program wrote it. */
async function readHolder(folder: string): Promise<Holder | undefined> {
  try {
    return await withFile(holderFileOf(folder), async (handle) => {
      const text = await textOf(handle);
      return { ...holderSchema.parse(JSON.parse(text)), text, beat: (await handle.stat()).mtimeMs };
    });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const { code } = (cause ?? {}) as NodeJS.ErrnoException;
    // ESTALE: on NFS, another host has replaced the file.
    if (code === 'ENOENT' || code === 'ESTALE' || cause instanceof SyntaxError || cause instanceof z.ZodError) return;
    throw error;
  }
}

/** Returns the milliseconds since the last sign of life, by the file system's clock if the folder can be written. */
async function ageOf(folder: string, { beat }: Holder): Promise<number> {
  const probe = temporaryOf(lockOf(folder));
  try {
    await writeFile(probe, '', { flag: 'wx' });
    return (await stat(probe)).mtimeMs - beat;
  } catch {
    return Date.now() - beat;
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
}

const nameOf = ({ process: id, host }: Holder): string => `process ${id} on ${host}`;

const isOfThisProcess = (holder: Holder): boolean =>
  holder.process === process.pid && holder.host === hostname() && holder.boot === thisBoot();

/**
 * Returns who holds a folder, and if that process is alive. `locked`: the kernel's lock is taken (true), free (false),
 * or undefined if the file system has no locks. Many network file systems lock within one host only, so a holder on
 * another host is respected as well, as long as it gives signs of life.
 */
async function judge(folder: string, locked: boolean | undefined) {
  let holder = await readHolder(folder);
  if (locked) {
    // A process that has just taken the lock writes its name in a moment.
    for (let attempt = 0; attempt < 10 && holder === undefined; attempt++) {
      await wait(50);
      holder = await readHolder(folder);
    }
    const name = holder === undefined ? 'another process' : nameOf(holder);
    return { alive: true, name: holder && isOfThisProcess(holder) ? 'another run of this process' : name };
  }
  if (holder === undefined) return { alive: false, name: undefined };
  if (locked === false && holder.boot === thisBoot()) {
    const ended = isOfThisProcess(holder) ? 'a thread of this process' : nameOf(holder);
    return { alive: false, name: `${ended}, which has ended` };
  }
  const age = await ageOf(folder, holder);
  const seconds = Math.max(0, Math.round(age / 1000));
  return { alive: age <= goneAfter, name: `${nameOf(holder)}, whose last sign of life was ${seconds} s ago` };
}

/** Returns the negative result of a native call as the system's error. */
function systemError(result: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(result);
  return Object.assign(new Error(code), { code });
}

const { EAGAIN, ENOLCK, EOPNOTSUPP, ENOSYS, ENOENT, ENOTDIR } = constants.errno;
const lacksLocks = (result: number): boolean => [ENOLCK, EOPNOTSUPP, ENOSYS].includes(-result);

/** Returns a folder's holder, to end a sentence; undefined if none. @throws L2TError FILE_ACCESS. */
export async function holderOf(folder: string): Promise<string | undefined> {
  const found = environment().isLocked(lockOf(folder));
  if ([ENOENT, ENOTDIR].includes(-found)) return undefined;
  if (found < 0 && !lacksLocks(found)) throw fileError('read', lockOf(folder), systemError(found));
  const { alive, name } = await judge(folder, found < 0 ? undefined : found === 1);
  return alive ? name : undefined;
}

/** @throws L2TError INVALID_RUN if a run holds the folder; FILE_ACCESS. */
export async function requireFree(folder: string): Promise<void> {
  const holder = await holderOf(folder);
  if (holder !== undefined) throw inUse(folder, holder);
}

const inUse = (folder: string, holder: string): L2TError =>
  invalidRun(`${folder} is in use by ${holder}: wait for it to end, or stop it.`);

/**
 * Prevents two runs from using the same folder. It is the kernel's lock on the file `lock`, which ends with the thread or
 * the process that took it; the file stays, and says nothing. `lock.holder` beside it says who holds the folder: it is
 * written every 10 s as a sign of life, and read before each atomic write into the folder, so that a holder that was
 * suspended notices that another host has taken the folder over.
 */
export class FolderLock {
  readonly #timer: NodeJS.Timeout;
  readonly #endGuard: () => void;

  private constructor(
    private readonly folder: string,
    private readonly text: string,
    /** Undefined where the file system has no locks. */
    private readonly descriptor: number | undefined,
  ) {
    this.#timer = setInterval(() => void this.#beat(), beatEvery).unref();
    this.#endGuard = guardWrites(folder, () => this.requireHeld());
  }

  /**
   * `onWarning` is called if the folder's last holder is gone without having released it, and if the file system has no
   * locks.
   * @throws L2TError INVALID_RUN if another process, or another run of this one, holds the folder; FILE_ACCESS.
   */
  static async acquire(folder: string, onWarning: (message: string) => void = () => {}): Promise<FolderLock> {
    const lock = await FolderLock.tryAcquire(folder, onWarning);
    if (typeof lock === 'string') throw inUse(folder, lock);
    return lock;
  }

  /** Does the same as `acquire`, but returns the name of another holder instead of throwing an error. */
  static async tryAcquire(folder: string, onWarning: (message: string) => void): Promise<FolderLock | string> {
    const path = lockOf(folder);
    await reaching(path, () => requireReplaceable(path));
    const taken = environment().lock(path);
    if (taken < 0 && taken !== -EAGAIN && !lacksLocks(taken)) throw fileError('write', path, systemError(taken));
    const descriptor = taken < 0 ? undefined : taken;
    try {
      const { alive, name } = await judge(folder, taken === -EAGAIN ? true : lacksLocks(taken) ? undefined : false);
      if (alive) {
        if (descriptor !== undefined) environment().unlock(descriptor);
        return name as string;
      }
      if (name !== undefined) onWarning(`${folder} was in use by ${name}: it is taken over`);
      if (descriptor === undefined) onWarning(`the file system of ${folder} has no locks: do not use it twice at once`);
      const since = new Date().toISOString();
      const holder = { process: process.pid, host: hostname(), since, boot: thisBoot(), id: randomUUID() };
      const text = `${JSON.stringify(holder)}\n`;
      await writeFileAtomic(holderFileOf(folder), text);
      return new FolderLock(folder, text, descriptor);
    } catch (error) {
      if (descriptor !== undefined) environment().unlock(descriptor);
      throw error;
    }
  }

  /** Writes the same text again, instead of utimes, so that the time is that of the file system's own clock. */
  async #beat(): Promise<void> {
    try {
      // O_NONBLOCK: a pipe in its place would hold the process up.
      const file = await open(holderFileOf(this.folder), flags.O_RDWR | flags.O_NONBLOCK);
      try {
        // Into the very file that was read: if another host replaces it meanwhile, the other's name stays.
        if ((await textOf(file)) !== this.text) return;
        await file.write(this.text, 0);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch {
      // If this keeps failing, another host takes the folder over, and the next write notices that.
    }
  }

  /**
   * Requires that this is still the folder's holder.
   * @throws L2TError INVALID_RUN if another process has taken the folder over, or lock.holder or the folder was moved or
   *   removed; FILE_ACCESS.
   */
  async requireHeld(): Promise<void> {
    const holder = await readHolder(this.folder);
    if (holder?.text === this.text) return;
    const lost = existsSync(this.folder)
      ? 'lock.holder was removed while this process worked in it'
      : 'it was moved or removed while this process worked in it. If it was moved, go on where it is now, with --resume';
    const why = holder
      ? `${nameOf(holder)} has taken it over, because this process gave no sign of life for ${goneAfter / 1000} s`
      : lost;
    throw invalidRun(`${this.folder} is no longer this process's: ${why}. Nothing more is written.`);
  }

  /** @throws L2TError FILE_ACCESS. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    this.#endGuard();
    const file = holderFileOf(this.folder);
    try {
      if ((await readHolder(this.folder))?.text === this.text) await rm(file, { force: true });
    } catch (error) {
      throw fileError('remove', file, error);
    } finally {
      if (this.descriptor !== undefined) environment().unlock(this.descriptor);
    }
  }
}

/** Calls `body`, and releases the lock if it fails. Only its error is reported: a failing release has the same cause. */
export const releaseOnFailure = <T>(lock: FolderLock, body: () => Promise<T>): Promise<T> =>
  body().catch(async (error: unknown) => {
    await lock.release().catch(() => {});
    throw error;
  });

/** Calls `body`, then releases the lock. */
export async function releaseAfter<T>(lock: FolderLock, body: () => Promise<T>): Promise<T> {
  const result = await releaseOnFailure(lock, body);
  await lock.release();
  return result;
}
