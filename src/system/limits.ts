import { readFileSync } from 'node:fs';
import { L2TError } from '../errors.js';

/** A soft limit of this process, as /proc/self/limits calls it; Infinity where there is none or the system does not say. */
function limitOf(name: string): number {
  const line = read('/proc/self/limits')
    .split('\n')
    .find((each) => each.startsWith(name));
  const soft = Number(line?.slice(name.length).trim().split(/\s+/)[0]);
  return Number.isFinite(soft) ? soft : Number.POSITIVE_INFINITY;
}

const addressSpace = (): number => limitOf('Max address space');

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The sentences are those of native/core/limits.cc. */
function outOfThreads(cause: unknown): L2TError {
  const limit = limitOf('Max processes');
  const named = Number.isFinite(limit) ? limit : 'unlimited';
  const message = `No more threads can be started: the limit of processes and threads is reached (ulimit -u is ${named}; a container may have its own). Use fewer --threads, end other programs, or raise the limit.`;
  return new L2TError('OUT_OF_THREADS', message, { cause });
}

function outOfMemory(cause: unknown): L2TError {
  const limit = addressSpace();
  const named = Number.isFinite(limit)
    ? `, and the process is limited to ${megabytes(limit)} of address space (ulimit -v)`
    : '';
  const message = `Out of memory: more than there is was wanted${named}. Use a smaller --batch, --size or --width, or fewer --threads.`;
  return new L2TError('OUT_OF_MEMORY', message, { cause });
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;

/** What Node, V8 and libvips say where the system gives them no memory or no thread. */
const refusals: readonly [pattern: RegExp, toError: (cause: unknown) => L2TError][] = [
  [/Array buffer allocation failed|ENOMEM|[Oo]ut of memory|Failed to allocate memory/, outOfMemory],
  [/unable to create thread|Resource temporarily unavailable/, outOfThreads],
];

/** An error that only says that memory or threads are used up, as an L2TError that says what to do; else undefined. */
export function limitError(error: unknown): L2TError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof L2TError) return isLimitError(error) ? error : undefined;
  const found = refusals.find(([pattern]) => pattern.test(error.message));
  return found?.[1](error);
}

export const isLimitError = (error: unknown): boolean =>
  error instanceof L2TError && (error.code === 'OUT_OF_MEMORY' || error.code === 'OUT_OF_THREADS');

/** Address space that LibTorch takes when it is loaded, bytes: Debian's for a CPU 0.9 GB. */
const loading = 1e9;

/**
 * Libraries that find no room when they are loaded end the process or, as OpenBLAS does, ask again for ever.
 * @throws L2TError OUT_OF_MEMORY.
 */
export function requireRoomToLoad(): void {
  const limit = addressSpace();
  const taken = Number(/^VmSize:\s*(\d+) kB/m.exec(read('/proc/self/status'))?.[1] ?? 0) * 1024;
  if (taken + loading <= limit) return;
  const message = `Out of memory: the process is limited to ${megabytes(limit)} of address space (ulimit -v), of which it has taken ${megabytes(taken)}, and loading LibTorch takes another ${megabytes(loading)}. Raise the limit.`;
  throw new L2TError('OUT_OF_MEMORY', message);
}

/** Does the dynamic loader mean that there is no room? It says no more than that it could not map a file. */
export const isLoadingOutOfRoom = (text: string): boolean =>
  Number.isFinite(addressSpace()) && /failed to map|cannot map|cannot allocate memory(?! in static TLS)/i.test(text);
