import { createHash } from 'node:crypto';
import { fstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { fileError } from './files.js';
import { readSystem } from './limits.js';

/** Milliseconds between two signs of life of a lock's holder, and without one until it counts as gone. */
export const [beatEvery, goneAfter] = [10_000, 60_000];

/** A lock file as it was found. */
export interface FoundLock {
  readonly text: string;
  /** Its modification time, milliseconds: the holder's last sign of life, by the file system's own clock. */
  readonly beat: number;
}

/** Whether a lock's holder may still use it, and who that is. */
export interface Judgement {
  readonly alive: boolean;
  /** The holder, and how it is known that it is alive or not, to end a sentence; '' if the lock does not say. */
  readonly holder: string;
}

/** When a process started, since boot; '' if unknown. A process id alone is not enough: the system reuses it. */
function startOf(pid: number): string {
  const stat = readSystem(`/proc/${pid}/stat`);
  // The start is field 22, the 20th after the name. The name, in brackets, may itself hold spaces and brackets.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/**
 * Where process ids mean the same: this boot of this machine, and this container. A host name is not enough: machines
 * and containers may share one.
 */
const place = (): string => {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Without it, the boot alone must do.
  }
  const boot = readSystem('/proc/sys/kernel/random/boot_id');
  return createHash('sha256').update(`${boot}${namespace}`).digest('hex').slice(0, 12);
};

/** The content of this process's lock. `id` tells it from all other locks. */
export const identity = (id: string): string =>
  `${process.pid} ${startOf(process.pid)} ${hostname()} ${place()} ${id}\n`;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The words of a lock. Earlier versions wrote the first two alone, and knew of no other host. */
function parse(text: string) {
  const [pid = '', start = '', host = hostname(), where] = text.trim().split(' ');
  return { pid: Number.parseInt(pid, 10), start, host, here: where === undefined || where === place() };
}

/** Who wrote a lock: `process 12 on node01`. */
export function nameOf(text: string): string {
  const { pid, host } = parse(text);
  return `process ${pid} on ${host}`;
}

/**
 * Judges the holder of the lock at `path`. On this host its process is looked for. On another host it counts as gone once
 * its last sign of life is older than `goneAfter`; `now` tells the time by the clock of the file system.
 */
export async function judge(path: string, { text, beat }: FoundLock, now: () => Promise<number>): Promise<Judgement> {
  const { pid, start, here } = parse(text);
  // Incomplete, or not written by this program.
  if (!(pid > 0)) return { alive: false, holder: '' };
  if (!here) {
    const age = (await now()) - beat;
    const seconds = Math.max(0, Math.round(age / 1000));
    return { alive: age <= goneAfter, holder: `${nameOf(text)}, whose last sign of life was ${seconds} s ago` };
  }
  if (pid === process.pid && start === startOf(pid)) {
    return isOpenHere(path)
      ? { alive: true, holder: 'another run of this process' }
      : { alive: false, holder: 'a thread of this process, which has ended' };
  }
  const alive = isAlive(pid) && start === startOf(pid);
  return { alive, holder: alive ? nameOf(text) : `${nameOf(text)}, which has ended` };
}

/** Does any thread of this process have the file open? Threads share file descriptors, but not modules. */
export function isOpenHere(path: string): boolean {
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
