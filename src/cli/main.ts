import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

// Nothing else is imported from here on: loading the rest is what fails first where few files may be open.
try {
  const { main } = await import('./verbs.js');
  await main();
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  const what = tooManyOpen(message, code)
    ? 'error[FILE_ACCESS]: Cannot load the program: too many files are open: raise the limit (ulimit -n).'
    : `error[INTERNAL]: Cannot load the program: ${message}`;
  process.stderr.write(`${what}\n`);
  process.exitCode = 1;
}

/** Node says it as such, or takes a package that it cannot open for one that is not there. */
function tooManyOpen(message: string, code: string | undefined): boolean {
  const path = /^Cannot find (?:package|module) '(\/[^']*)'/.exec(message)?.[1];
  return code === 'EMFILE' || code === 'ENFILE' || (path !== undefined && existsSync(dirname(path)));
}
