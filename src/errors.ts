import { optionsIn, spelled } from './options/spelling.js';
import { printableLines } from './system/printable.js';

/**
 * Every failure of this package is an `L2TError`. `code` is stable (docs/errors.md lists the codes); `message` says
 * what is wrong and what to do; `cause` holds the underlying error, if any. Messages contain names from files, so
 * characters that could control a terminal are escaped here. A string becomes one line, a list one line per entry.
 * Options are written as `{width}` or `{engine=native}` and spelled here (options/spelling.ts).
 */
export class L2TError extends Error {
  /** Always 'L2TError'. */
  override readonly name = 'L2TError';
  /** Which kind of failure it is. */
  readonly code: ErrorCode;
  /** The options that the message names, as TypeScript calls them, in its order. */
  readonly options: readonly string[];

  constructor(code: ErrorCode, message: string | readonly string[], { cause }: { cause?: unknown } = {}) {
    const lines = printableLines(typeof message === 'string' ? [message] : message);
    super(spelled(lines), cause === undefined ? undefined : { cause });
    this.code = code;
    // A message that quotes another error names its options, too, which are spelled already.
    const quoted = cause instanceof L2TError ? cause.options : [];
    this.options = [...new Set([...optionsIn(lines), ...quoted])];
  }
}

/** The closed list of error codes. The native side uses the same strings. */
export type ErrorCode =
  /** The addon is not built, or was built against another LibTorch. */
  | 'ADDON_NOT_BUILT'
  /** LibTorch cannot be found or loaded. */
  | 'LIBTORCH_NOT_FOUND'
  /** An option has a wrong value, or options do not go together. */
  | 'INVALID_OPTION'
  /** This machine does not have the requested device. */
  | 'DEVICE_UNAVAILABLE'
  /** A file cannot be read or written (missing, no permission, disk full). */
  | 'FILE_ACCESS'
  /** A weights file is damaged, hostile, or of an unknown format. */
  | 'INVALID_WEIGHTS'
  /** Weights do not fit the network: missing, extra (strict) or misshapen entries. */
  | 'WEIGHTS_MISMATCH'
  /** A data set is damaged, empty, or of an unknown layout. */
  | 'INVALID_DATA'
  /** A run folder is damaged, missing, in use, or was made with other options or data. */
  | 'INVALID_RUN'
  /** The loss became NaN or infinite. */
  | 'DIVERGED'
  /** The run was aborted by its signal. */
  | 'ABORTED'
  /** The system refuses the process more memory. */
  | 'OUT_OF_MEMORY'
  /** The system refuses the process more threads. */
  | 'OUT_OF_THREADS'
  /** A process that shares the run ended, stalled, or did not join. */
  | 'GROUP_FAILED'
  /** A failure inside LibTorch or this package: please report it. */
  | 'INTERNAL';
