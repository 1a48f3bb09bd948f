import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, CommanderError } from 'commander';
import { packageRoot } from '../../setup/files.mjs';
import { verbsOf } from '../../src/cli/program.js';
import { commandLine } from '../../src/cli/verbs.js';
import { rowOf } from '../../tools/option-table.js';
import { wordsOf } from './documents.js';

const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** Its first argument is a number, the others are a command. */
export const ranksScript = 'examples/ranks.sh';

/** Returns why the program's own parser, or an option's row, refuses a command; undefined if neither does. */
export function refusalOf(command: string): string | undefined {
  const words = wordsOf(command);
  const [tool, ...rest] = words[0] === 'npx' ? words.slice(1) : words;
  if (tool === 'l2t-native') return refusalOfVerb(rest);
  if (tool === ranksScript) return refusalOf(rest.slice(1).join(' '));
  if (tool === 'npm') return refusalOfScript(rest);
  return tool === 'tsx' ? refusalOfFile(rest) : undefined;
}

const program = await commandLine();

function refusalOfVerb(args: readonly string[]): string | undefined {
  let wrong: string | undefined;
  for (const command of [program, ...program.commands, ...verbsOf(program).map(([, inner]) => inner)]) {
    command.exitOverride().configureOutput({ writeOut: () => {}, writeErr: () => {} });
  }
  for (const [, command] of verbsOf(program)) {
    command.action(() => {
      wrong = wrongValueOf(command);
    });
  }
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? undefined : error.message;
  }
  return wrong;
}

function wrongValueOf(command: Command): string | undefined {
  const given = command.opts() as Record<string, unknown>;
  const wrong = command.options.find((option) => {
    const value = given[option.attributeName()];
    return value !== undefined && rowOf(option)?.schema.safeParse(value).success === false;
  });
  return wrong && `${wrong.long} is ${given[wrong.attributeName()]}`;
}

/** `npm run lint -- --all`: checks that there is such a script, and that its program knows the flag. */
function refusalOfScript([first, ...rest]: readonly string[]): string | undefined {
  const [name = '', ...args] = first === 'run' ? rest : [first ?? '', ...rest];
  if (first !== 'run' && ['ci', 'install', 'link', 'pack'].includes(name)) return undefined;
  const script = scripts[name];
  if (script === undefined) return `there is no script ${name}`;
  if (name === 'demo') return refusalOfVerb(['demo', ...args.slice(1)]);
  const file = /\S+\.(?:ts|mjs)$/.exec(script)?.[0];
  return file === undefined ? undefined : refusalOfFile([file, ...args]);
}

/** `npx tsx tools/timing/layers.ts --case NAME`: checks that there is such a file, and that it knows the flag. */
function refusalOfFile([file = '', ...args]: readonly string[]): string | undefined {
  const path = join(packageRoot, file);
  if (!existsSync(path)) return `there is no file ${file}`;
  const text = withFlagsFile(path);
  const unknown = args.find((word) => /^--\w/.test(word) && !text.includes(`'${word}`));
  return unknown && `${file} has no flag ${unknown}`;
}

/** A script, with the flags that it shares with others of its folder. */
function withFlagsFile(path: string): string {
  const text = readFileSync(path, 'utf8');
  return text.includes("'./flags.js'") ? text + readFileSync(join(path, '../flags.ts'), 'utf8') : text;
}

const flagsOf = (command: Command): (string | undefined)[] => ['--help', ...command.options.map(({ long }) => long)];
const allFlags = verbsOf(program).flatMap(([, command]) => flagsOf(command));

/**
 * Returns what is wrong with code in the running text: a flag alone (`--lr auto`) that no verb has, or a command with a
 * flag that its verb does not have. Placeholders may stand for values.
 */
export function unknownIn(code: string): string | undefined {
  const words = wordsOf(code.replaceAll(/[[\]…]/g, ' '));
  const unknownOf = (known: readonly (string | undefined)[]) =>
    words.find((word) => /^--\w/.test(word) && !known.includes(word));
  if (code.startsWith('--')) return unknownOf(allFlags);
  const [tool, ...rest] = words[0] === 'npx' ? words.slice(1) : words;
  if (tool === 'npm') return refusalOfScript(rest);
  if (tool === 'tsx') return rest.length > 0 ? refusalOfFile(rest) : undefined;
  if (tool !== 'l2t-native' || rest.length === 0 || rest[0] === 'VERB') return undefined;
  const [, verb] = verbsOf(program).find(([name]) => ` ${rest.join(' ')} `.startsWith(` ${name} `)) ?? [];
  return verb === undefined ? `there is no verb ${rest[0]}` : unknownOf(flagsOf(verb));
}
