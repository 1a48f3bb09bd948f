import { invalidOption } from '../system/failures.js';
import { shellWord } from '../system/printable.js';
import { aboutField, longFlagOf, type Schema } from './check.js';
import { flagOf } from './spelling.js';

/** The words on the command line that give these options of a schema, in its order. */
export function flagWords(schema: Schema, options: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(schema.shape).flatMap((key) => wordsOf(schema, key, options[key]));
}

function wordsOf(schema: Schema, key: string, value: unknown): string[] {
  const about = aboutField(schema, key);
  const flag = flagOf(key);
  if (value === undefined) return [];
  if (typeof value === 'boolean') {
    const usual = about.default === true;
    return value === usual ? [] : [longFlagOf(key, about)];
  }
  if (Array.isArray(value) && about.repeats) return value.flatMap((each) => withValue(flag, String(each)));
  return withValue(flag, String(value));
}

/** Joins a flag and its value by `=` if the value looks like a flag. */
const withValue = (flag: string, value: string): string[] =>
  value.startsWith('-') ? [`${flag}=${value}`] : [flag, value];

/** A command of this package, as one line for a shell. */
export const command = (verb: string, ...words: readonly string[]): string =>
  ['l2t-native', verb, ...words].map(shellWord).join(' ');

/** The command that continues what was interrupted in a folder. */
export const resumeCommand = (verb: string, folder: string): string => command(verb, ...withValue('--resume', folder));

/** The command that plans an experiment into a folder. */
export const planCommand = (verb: string, folder: string): string => command(verb, ...withValue('--plan', folder));

/** The command that makes the table of a planned experiment. */
export const collectCommand = (verb: string, folder: string): string =>
  command(verb, ...withValue('--collect', folder));

/**
 * Returns the same as `command`, for a file with one command in each line.
 * @throws L2TError INVALID_OPTION if a word holds a line break.
 */
export function commandInLine(verb: string, words: readonly string[]): string {
  const broken = words.find((word) => /[\n\r]/.test(word));
  if (broken === undefined) return command(verb, ...words);
  throw invalidOption(`${broken} holds a line break, but each run is one line: rename it.`);
}
