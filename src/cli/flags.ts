import { type Command, Option } from 'commander';
import type * as z from 'zod';
import {
  type About,
  aboutField,
  checkOptions,
  type Given,
  helpOf,
  isPath,
  longFlagOf,
  refused,
} from '../options/check.js';
import { yamlOptions } from '../options/options-file.js';
import { flagOf, named } from '../options/spelling.js';

export type Schema = z.ZodObject<Record<string, z.ZodType>>;

/** The row that each flag was made from, for completion. */
const rows = new WeakMap<Option, About>();
/** The row of the tables that a flag was made from; undefined for a flag that only the command line has. */
export const rowOfFlag = (option: Option): About | undefined => rows.get(option);

/** Adds a flag for every option of a schema. `defaults`: the help's sentence about the values in parentheses. */
export function addFlags(command: Command, schema: Schema, defaults = 'Defaults are in parentheses.'): Command {
  for (const key of Object.keys(schema.shape)) {
    const about = aboutField(schema, key);
    const { value, repeats } = about;
    // `--size <n>`, `--strict`, or `--no-report` for a switch that is on by default.
    const placeholder = value === '' ? '' : `<${value}>`;
    const option = new Option(`${longFlagOf(key, about)} ${placeholder}`.trimEnd(), helpOf(about, 'flags'));
    // 'n' and 'x' are numbers. Other text stays as it was typed, so that the error message can show it.
    const read = (text: string) => (['n', 'x'].includes(value) && isNumber(text) ? Number(text) : text);
    option.argParser((text, before) => (repeats && before !== undefined ? [before, read(text)].flat() : read(text)));
    if (about.group) option.helpGroup(`${about.group}:`);
    rows.set(option, about);
    command.addOption(option);
    // Commander gives an option with a --no- flag the value true; here, what is not given is absent.
    if (option.negate) command.setOptionValueWithSource(key, undefined, undefined);
  }
  return command.addHelpText('after', `\n${defaults} <n> is a whole number, <x> any number.`);
}

/** The flags that were given. */
export const givenFlags = (parsed: Readonly<Record<string, unknown>>): [string, unknown][] =>
  Object.entries(parsed).filter(([, value]) => value !== undefined);

const isNumber = (text: string): boolean => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

/** How messages name the option of a flag, which may be one that only the command line has. */
export const labelOf = (key: string): string => named(key, flagOf(key));

/** The schema's options among those that commander parsed, checked. */
export function flagOptions<S extends Schema>(schema: S, parsed: Readonly<Record<string, unknown>>): Given<S> {
  const given = givenFlags(parsed).filter(([key]) => key in schema.shape);
  return checkOptions(schema, Object.fromEntries(given), labelOf);
}

/** The folder given to --resume, if any. */
export function folderToResume({ resume }: { readonly resume?: string }): string | undefined {
  if (resume === undefined || isPath(resume)) return resume;
  throw refused('--resume', resume, 'the folder of what was interrupted');
}

/** The options of the --config file, overridden by the flags. The function that takes them says if one is missing. */
export async function mergedOptions<S extends Schema>(
  schema: S,
  parsed: Readonly<Record<string, unknown>>,
): Promise<Given<S>> {
  const flags = flagOptions(schema, parsed);
  return typeof parsed.config === 'string' ? { ...(await yamlOptions(schema, parsed.config)), ...flags } : flags;
}
