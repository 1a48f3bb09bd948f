import pc from 'picocolors';
import { L2TError } from '../errors.js';
import { fileError } from '../system/files.js';
import { limitError } from '../system/limits.js';
import { printableLines } from '../system/printable.js';

export const exitCodes = { ok: 0, failure: 1, usage: 2 } as const;

/** Prints an error as the command line shows it and returns the exit code. */
export function report(thrown: unknown): number {
  const refused = isRefusal(thrown) ? fileError(verbOf(thrown), thrown.path ?? 'a file', thrown) : thrown;
  const error = limitError(refused) ?? refused;
  const code = error instanceof L2TError ? error.code : 'INTERNAL';
  const message = printableLines((error instanceof Error ? error.message : String(error)).split('\n'));
  const colour = pc.createColors(process.stderr.isTTY === true && pc.isColorSupported);
  process.stderr.write(`${colour.red(`error[${code}]`)}: ${message}\n`);
  if (process.env.L2T_DEBUG === '1' && thrown instanceof Error)
    process.stderr.write(`${printableLines((thrown.stack ?? '').split('\n'))}\n`);
  return code === 'INVALID_OPTION' ? exitCodes.usage : exitCodes.failure;
}

/** Checks for an unexpected error of a system call, for example because file descriptors ran out. */
const isRefusal = (error: unknown): error is NodeJS.ErrnoException =>
  !(error instanceof L2TError) && error instanceof Error && 'syscall' in error && 'errno' in error;

function verbOf({ syscall = '' }: NodeJS.ErrnoException): string {
  if (syscall.startsWith('spawn')) return 'start';
  return /^(write|mkdir|rename|unlink|link|fsync|rm)/.test(syscall) ? 'write' : 'read';
}
