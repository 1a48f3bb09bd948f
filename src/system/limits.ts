import { readFileSync } from 'node:fs';
import { L2TError } from '../errors.js';

/** A soft limit of this process, by its name in /proc/self/limits; Infinity if there is none or it is unknown. */
function limitOf(name: string): number {
  const line = readSystem('/proc/self/limits')
    .split('\n')
    .find((each) => each.startsWith(name));
  const soft = Number(line?.slice(name.length).trim().split(/\s+/)[0]);
  return Number.isFinite(soft) ? soft : Number.POSITIVE_INFINITY;
}

const addressSpace = (): number => limitOf('Max address space');

/** A file of the system as text; '' if there is none. */
export function readSystem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** A size in a process's status file, in bytes; 0 if the process has ended. */
function statusBytes(field: string, process: number | 'self' = 'self'): number {
  const text = readSystem(`/proc/${process}/status`);
  return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}

/** The most memory that this process has had, in bytes. */
export const peakOfProcess = (): number => statusBytes('VmHWM');

/** The memory that a process has now, in bytes; 0 if it has ended. */
export const memoryOf = (pid: number): number => statusBytes('VmRSS', pid);

/** The messages are the same as in native/core/limits.cc. */
function outOfThreads(cause: unknown): L2TError {
  const limit = limitOf('Max processes');
  const named = Number.isFinite(limit) ? limit : 'unlimited';
  const message = `No more threads can be started: the limit of processes and threads is reached (ulimit -u is ${named}; a container may have its own). Use fewer {threads}, end other programs, or raise the limit.`;
  return new L2TError('OUT_OF_THREADS', message, { cause });
}

function outOfMemory(cause: unknown): L2TError {
  const limit = addressSpace();
  const named = Number.isFinite(limit)
    ? `, and the process is limited to ${megabytes(limit)} of address space (ulimit -v)`
    : '';
  const message = `Out of memory: more than there is was wanted${named}. Use a smaller {batch}, {size} or {width}, or fewer {threads}.`;
  return new L2TError('OUT_OF_MEMORY', message, { cause });
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/**
 * The L2TError for an error that means "no memory" or "no threads"; undefined for other errors. Node, V8 and libvips say
 * it in their messages.
 */
export function limitError(error: unknown): L2TError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof L2TError) return isLimitError(error) ? error : undefined;
  const { message } = error;
  if (/Array buffer allocation failed|ENOMEM|[Oo]ut of memory|Failed to allocate memory/.test(message)) {
    return outOfMemory(error);
  }
  return /unable to create thread|Resource temporarily unavailable/.test(message) ? outOfThreads(error) : undefined;
}

export const isLimitError = (error: unknown): boolean =>
  error instanceof L2TError && (error.code === 'OUT_OF_MEMORY' || error.code === 'OUT_OF_THREADS');

/** Address space that loading LibTorch takes, bytes (Debian's CPU build: 0.9 GB), and that V8 and libvips need beside it. */
const loading = 1.2e9;

/**
 * Checks that there is address space to load LibTorch. Without it, a library may end the process while it is loaded, or
 * retry for ever, as OpenBLAS does.
 * @throws L2TError OUT_OF_MEMORY.
 */
export function requireRoomToLoad(): void {
  const limit = addressSpace();
  const taken = statusBytes('VmSize');
  if (taken + loading <= limit) return;
  const message = `Out of memory: the process is limited to ${megabytes(limit)} of address space (ulimit -v), of which it has taken ${megabytes(taken)}, and loading LibTorch takes another ${megabytes(loading)}. Raise the limit.`;
  throw new L2TError('OUT_OF_MEMORY', message);
}

/** Checks whether the dynamic loader's message means "no address space". It only says that a file could not be mapped. */
export const isLoadingOutOfRoom = (text: string): boolean =>
  Number.isFinite(addressSpace()) && /failed to map|cannot map|cannot allocate memory(?! in static TLS)/i.test(text);
