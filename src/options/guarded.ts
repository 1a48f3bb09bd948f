import { L2TError } from '../errors.js';

/** Reads what a caller gave, whose getters and proxies may throw. */
export function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof L2TError) throw cause;
    throw new L2TError('INVALID_OPTION', `${what} cannot be read: its properties throw an error.`, { cause });
  }
}
