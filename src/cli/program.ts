import { type Command, CommanderError } from 'commander';
import { L2TError } from '../errors.js';
import { beCommandLine } from '../options/spelling.js';
import { exitCodes, report } from './failure.js';
import { reportAbort, watchOutputs } from './interrupt.js';

/** Returns the verbs as they are typed (`data check`), each with its command. */
export function verbsOf(program: Command): [verb: string, command: Command][] {
  return program.commands.flatMap((command): [string, Command][] => {
    if (command.commands.length === 0) return [[command.name(), command]];
    return verbsOf(command).map(([verb, inner]) => [`${command.name()} ${verb}`, inner]);
  });
}

/** Parses the command line, runs the verb, prints what fails and sets the exit code. */
export async function runProgram(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  beCommandLine();
  watchOutputs();
  process.on('uncaughtException', (error) => process.exit(report(error)));
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const code = exitCodeFor(error);
    // If an output could not be written, the exit code is set already.
    if (code !== exitCodes.ok) process.exitCode = code;
  }
}

/** How long to wait, in ms, for output to be flushed. */
const flushTime = 2000;

function exitCodeFor(error: unknown): number {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (!(error instanceof L2TError) || error.code !== 'ABORTED') return report(error);
  const code = reportAbort(error);
  // All is saved. Work in progress, such as waiting for other ranks, must not keep the process.
  setTimeout(() => process.exit(code), flushTime).unref();
  return code;
}
