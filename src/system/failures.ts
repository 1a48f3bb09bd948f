import { type ErrorCode, L2TError } from '../errors.js';

const maker =
  (code: ErrorCode) =>
  (message: string | readonly string[], cause?: unknown): L2TError =>
    new L2TError(code, message, { cause });

/** The errors that are thrown in many places. */
export const invalidOption = maker('INVALID_OPTION');
export const invalidData = maker('INVALID_DATA');
export const invalidWeights = maker('INVALID_WEIGHTS');
export const weightsMismatch = maker('WEIGHTS_MISMATCH');
export const invalidRun = maker('INVALID_RUN');
export const fileAccess = maker('FILE_ACCESS');
