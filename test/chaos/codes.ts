import { type ErrorCode, L2TError } from '../../src/errors.js';

const listed: Record<ErrorCode, true> = {
  ADDON_NOT_BUILT: true,
  LIBTORCH_NOT_FOUND: true,
  INVALID_OPTION: true,
  DEVICE_UNAVAILABLE: true,
  FILE_ACCESS: true,
  INVALID_WEIGHTS: true,
  WEIGHTS_MISMATCH: true,
  INVALID_DATA: true,
  INVALID_RUN: true,
  DIVERGED: true,
  ABORTED: true,
  OUT_OF_MEMORY: true,
  OUT_OF_THREADS: true,
  GROUP_FAILED: true,
  INTERNAL: true,
};

/** Is it a code of the closed list, other than INTERNAL, our own mistake? */
export const isKnownCode = (code: unknown): boolean =>
  typeof code === 'string' && code !== 'INTERNAL' && Object.hasOwn(listed, code);

/** What is wrong with a thrown error; undefined if its code is in the closed list, and a small file may cause it. */
export function wrongError(error: unknown): string | undefined {
  if (error instanceof L2TError && isKnownCode(error.code) && !error.code.startsWith('OUT_OF_')) return undefined;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? `\ncause: ${error.cause.stack}` : '';
  return `${error instanceof L2TError ? error.code : 'no L2TError'}: ${stack}${cause}`.slice(0, 3000);
}
