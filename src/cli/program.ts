import { type Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { L2TError } from '../errors.js';
import { limitError } from '../limits.js';

export const exitCodes = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Parses the command line, runs the verb, prints what fails and sets the exit code. */
export async function runProgram(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  // A reader that went away (`| head`) is no failure, and nothing more can be said to it.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  program.exitOverride();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Prints an error as the command line shows it and returns the exit code. */
function report(thrown: unknown): number {
  // Commander has printed its own message.
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const error = limitError(thrown) ?? thrown;
  const code = error instanceof L2TError ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  const colour = pc.createColors(process.stderr.isTTY === true && pc.isColorSupported);
  process.stderr.write(`${colour.red(`error[${code}]`)}: ${message}\n`);
  if (process.env.L2T_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (code === 'ABORTED') return exitCodes.interrupted;
  return code === 'INVALID_OPTION' ? exitCodes.usage : exitCodes.failure;
}
