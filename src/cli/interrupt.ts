import { closeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { fileError } from '../system/files.js';
import { report } from './failure.js';

/** Signals that end a command in good order, and its exit code: that of a process which the signal kills. */
const exitCodeOf = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGXCPU: 152 } as const;
type EndingSignal = keyof typeof exitCodeOf;
/** As if SIGPIPE had killed it: the reader of stdout or stderr is gone. */
const closedPipe = 141;

/**
 * A second signal within this time is the first one, delivered twice: of a closing terminal both the shell and the system
 * send SIGHUP. Milliseconds.
 */
const sameSignal = 500;

const controller = new AbortController();
/** Why the command ends before its time. */
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

/** A signal, or a reader that is gone, aborts the body's signal, so that everything is saved. A second signal ends the process at once. */
export async function interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signals = Object.keys(exitCodeOf) as EndingSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await body(controller.signal);
  } finally {
    // What still comes of a signal must not kill the process before it has said how to go on.
    if (ending === undefined) for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Says that the command was aborted, unless nobody reads it, and returns the exit code. */
export function reportAbort(error: Error): number {
  if (ending?.silent) return ending.code;
  report(error);
  return ending?.code ?? exitCodeOf.SIGINT;
}

/** Survives that stdout or stderr cannot be written, and gives the exit code that says so. */
export function watchOutputs(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') endUnread();
    else process.exitCode = report(fileError('write', 'the standard output', error));
  });
  // What else keeps stderr from being written, such as a full disk, is no reason to end: the result goes elsewhere.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') endUnread();
  });
  const terminals = [0, 1, 2].filter(isatty);
  process.on('exit', () => terminals.forEach(closeIfGone));
}

function endUnread(): void {
  process.exitCode = closedPipe;
  end(closedPipe, true);
}

/** At its end Node restores each terminal's modes, and aborts where a terminal is gone. It leaves closed ones alone. */
function closeIfGone(fd: number): void {
  if (isatty(fd)) return;
  try {
    closeSync(fd);
  } catch {
    // It is closed already.
  }
}
