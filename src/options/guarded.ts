import { L2TError } from '../errors.js';
import { invalidOption } from '../system/failures.js';

/** Calls `read`, which reads a caller's value. If a getter or proxy of it throws, throws INVALID_OPTION instead. */
export function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof L2TError) throw cause;
    throw invalidOption(`${what} cannot be read: its properties throw an error.`, cause);
  }
}
