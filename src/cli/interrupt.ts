import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { fileError } from '../system/files.js';
import { report } from './failure.js';

/** Signals that end a command in good order, and its exit code: the same as if the signal had killed the process. */
const exitCodeOf = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGXCPU: 152 } as const;
type EndingSignal = keyof typeof exitCodeOf;
/** The exit code if the reader of stdout or stderr is gone: the same as if SIGPIPE had killed the process. */
const closedPipe = 141;

/**
 * A second signal within this time, in milliseconds, is a duplicate of the first: when a terminal closes, both the
 * shell and the system send SIGHUP.
 */
const sameSignal = 500;

const controller = new AbortController();
/** The early end of the command; undefined without one. */
let ending: { readonly code: number; readonly silent: boolean; readonly since: number } | undefined;

function end(code: number, silent: boolean): void {
  ending ??= { code, silent, since: performance.now() };
  controller.abort();
}

function onSignal(signal: EndingSignal): void {
  if (ending === undefined) {
    const reason =
      signal === 'SIGXCPU'
        ? 'the limit of processor time (ulimit -t) is reached: ending in good order'
        : 'interrupted: ending in good order (once more to stop at once)';
    process.stderr.write(`\n${reason}\n`);
    end(exitCodeOf[signal], false);
    // The system repeats SIGXCPU every second, until the hard limit.
  } else if (signal !== 'SIGXCPU' && performance.now() - ending.since > sameSignal) process.exit(ending.code);
}

/**
 * Runs `body` with an AbortSignal that fires on a signal of the system, or when the reader of an output is gone, so that
 * everything is saved. A second signal ends the process at once.
 */
export async function interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signals = Object.keys(exitCodeOf) as EndingSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await body(controller.signal);
  } finally {
    // After a signal the handlers stay: its duplicate must not kill the process before it has said how to go on.
    if (ending === undefined) for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Prints that the command was aborted, unless the reader of the output is gone, and returns the exit code. */
export function reportAbort(error: Error): number {
  if (ending?.silent) return ending.code;
  report(error);
  return ending?.code ?? exitCodeOf.SIGINT;
}

/** Keeps the process alive if stdout or stderr cannot be written, and sets the exit code for that. */
export function watchOutputs(): void {
  for (const output of [process.stdout, process.stderr]) {
    output.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        process.exitCode = closedPipe;
        end(closedPipe, true);
        // Other errors of stderr, such as a full disk, are no reason to end: the result goes to stdout.
      } else if (output === process.stdout) {
        process.exitCode = report(fileError('write', 'the standard output', error));
      }
    });
  }
  const terminals = [0, 1, 2].filter(isatty);
  process.on('exit', () => terminals.forEach(closeIfGone));
}

/**
 * Closes a descriptor whose terminal is gone: Node restores the modes of open terminals at its end, and would abort.
 */
function closeIfGone(fd: number): void {
  if (isatty(fd)) return;
  try {
    closeSync(fd);
  } catch {
    // It is closed already.
  }
}
