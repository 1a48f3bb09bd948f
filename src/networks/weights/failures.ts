import { L2TError } from '../../errors.js';

/** The error for a weights file that is damaged, hostile or of another format. */
export const invalidWeights = (message: string, cause?: unknown): L2TError =>
  new L2TError('INVALID_WEIGHTS', message, { cause });

/** The error for weights that are not those of the network. */
export const weightsMismatch = (message: string): L2TError => new L2TError('WEIGHTS_MISMATCH', message);
