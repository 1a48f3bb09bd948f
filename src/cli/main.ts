import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

// Everything else is imported dynamically: if few files may be open, that import is the first thing that fails.
try {
  const { main } = await import('./verbs.js');
  await main();
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  const [problem, reason] = tooManyOpen(message, code)
    ? ['FILE_ACCESS', 'too many files are open: raise the limit (ulimit -n).']
    : /failed to map|cannot allocate memory/i.test(message)
      ? ['OUT_OF_MEMORY', 'there is too little memory or address space: raise the limit (ulimit -v).']
      : ['INTERNAL', message];
  process.stderr.write(`error[${problem}]: Cannot load the program: ${reason}\n`);
  process.exitCode = 1;
}

/** Checks for too many open files. Node reports EMFILE or ENFILE, or that a package it cannot open is missing. */
function tooManyOpen(message: string, code: string | undefined): boolean {
  const path = /^Cannot find (?:package|module) '(\/[^']*)'/.exec(message)?.[1];
  return code === 'EMFILE' || code === 'ENFILE' || (path !== undefined && existsSync(dirname(path)));
}
