import { L2TError } from '../errors.js';

/** The error for a data set that is damaged, incomplete or of an unknown form. `message` names the file or the class. */
export const invalidData = (message: string | readonly string[], cause?: unknown): L2TError =>
  new L2TError('INVALID_DATA', message, { cause });
