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

/** A process's state, and when it started, since boot; both '' if unknown. */
function statOf(pid: number): { readonly state: string; readonly start: string } {
  const stat = readSystem(`/proc/${pid}/stat`);
  // The state is field 3, the start field 22. The name before them, in brackets, may itself hold spaces and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', start: fields[19] ?? '' };
}

/** A process id alone is not enough to know a process by: the system reuses it. */
export const startOf = (pid: number): string => statOf(pid).start;

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

/** Is the process that started then still alive? If the system hides it (hidepid), whoever has its id now is taken for it. */
function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = statOf(pid);
  // Z and X: it has ended, and its parent has not asked for that yet.
  return found.start === '' || (found.start === start && !/[ZX]/.test(found.state));
}

/** The words of a lock. */
function parse(text: string) {
  const [pid = '', start = '', host = '', where = ''] = text.trim().split(' ');
  return { pid: where === '' ? Number.NaN : Number.parseInt(pid, 10), start, host, here: where === place() };
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
  const alive = isAlive(pid, start);
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
