import { printableLines } from './system/printable.js';

/**
 * Every failure of this package is an `L2TError`. `code` is stable (docs/errors.md lists them);
 * `message` says what is wrong and what to do; `cause` holds the underlying error, where there is one. Names out of files stand
 * in messages, so what would steer a terminal is escaped here, and a message is one line unless it is given as several.
 */
export class L2TError extends Error {
  override readonly name = 'L2TError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string | readonly string[], options?: { cause?: unknown }) {
    super(printableLines(typeof message === 'string' ? [message] : message), options);
    this.code = code;
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
  /** The asked device does not exist here. */
  | 'DEVICE_UNAVAILABLE'
  /** A file cannot be read or written (missing, no permission, disk full). */
  | 'FILE_ACCESS'
  /** A weights file is damaged, hostile, or of an unknown format. */
  | 'INVALID_WEIGHTS'
  /** Weights do not fit the network: missing, extra (strict) or misshapen entries. */
  | 'WEIGHTS_MISMATCH'
  /** A data set is damaged, empty, or of an unknown layout. */
  | 'INVALID_DATA'
  /** A run folder is damaged, missing, or of other options or data. */
  | 'INVALID_RUN'
  /** The loss became NaN or infinite. */
  | 'DIVERGED'
  /** The run was aborted by its signal. */
  | 'ABORTED'
  /** The system gives the process no more memory. */
  | 'OUT_OF_MEMORY'
  /** The system lets the process start no more threads. */
  | 'OUT_OF_THREADS'
  /** A failure inside LibTorch or this package: please report it. */
  | 'INTERNAL';
