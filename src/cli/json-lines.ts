import { type Command, Option } from 'commander';
import { L2TError } from '../errors.js';
import { spelled } from '../options/spelling.js';
import { limitError } from '../system/limits.js';
import { printableJson } from '../system/printable.js';

/** The flags of a command whose output a program reads. */
export const addJsonFlags = (command: Command): Command =>
  command
    .option('--json', 'print the result as one JSON document')
    .addOption(
      new Option(
        '--json-lines',
        'print events as they happen, one JSON object a line, as TypeScript has them; the last line is the result or the error',
      ).conflicts('json'),
    );

/** Prints an object as a line. */
export const printJsonLine = (value: object): boolean => process.stdout.write(`${printableJson(value)}\n`);

/** Prints the result of `body` as the last line, or its error. */
export async function withLastLine(body: () => Promise<object>): Promise<void> {
  try {
    printJsonLine({ type: 'result', ...(await body()) });
  } catch (thrown) {
    const error = limitError(thrown) ?? thrown;
    const code = error instanceof L2TError ? error.code : 'INTERNAL';
    printJsonLine({ type: 'error', code, message: spelled(error instanceof Error ? error.message : String(error)) });
    throw thrown;
  }
}
