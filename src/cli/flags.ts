import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  type About,
  aboutField,
  checkOptions,
  type Given,
  helpOf,
  isPath,
  longFlagOf,
  refused,
  type Schema,
} from '../options/check.js';
import { helpGroups } from '../options/marks.js';
import { flagOf, named } from '../options/spelling.js';
import { yamlOptions } from '../options/yaml.js';
import { fileAccess, invalidOption } from '../system/failures.js';

/** The flags of a verb, as commander parsed them; those of several verbs are named. */
export interface Flags {
  readonly resume?: string;
  readonly json?: boolean;
  readonly jsonLines?: boolean;
  readonly [key: string]: unknown;
}

/** The row that each flag was made from, for completion. */
const rows = new WeakMap<Option, About>();
/** Returns the row of the tables from which a flag was made; undefined for a flag that only the command line has. */
export const rowOfFlag = (option: Option): About | undefined => rows.get(option);

/** Adds examples to a verb's description: the words after `l2t-native` and the verb. */
export function addExamples(command: Command, ...examples: readonly string[]): Command {
  const lines = examples.map((words) => `  l2t-native ${command.name()} ${words}`);
  return command.description(`${command.summary()}\n\nExamples:\n${lines.join('\n')}`);
}

/** Adds a flag for every option of a schema. `defaults`: the help's sentence about the values in parentheses. */
export function addFlags(command: Command, schema: Schema, defaults = 'Defaults are in parentheses.'): Command {
  for (const { key, about, heading } of inHelpOrder(schema)) {
    const { value, repeats } = about;
    // `--size <n>`, `--source-finetune [n]`, `--strict`, or `--no-report` for a switch that is on by default.
    const placeholder = value === '' ? '' : about.bare ? `[${value}]` : `<${value}>`;
    const option = new Option(`${longFlagOf(key, about)} ${placeholder}`.trimEnd(), helpOf(about, 'flags'));
    // 'n' and 'x' are numbers. Other text stays as it was typed, so that the error message can show it.
    const read = (text: string) => (['n', 'x'].includes(value) && isNumber(text) ? Number(text) : text);
    option.argParser((text, before) => (repeats && before !== undefined ? [before, read(text)].flat() : read(text)));
    if (heading !== undefined) option.helpGroup(`${heading}:`);
    rows.set(option, about);
    command.addOption(option);
    // Commander gives an option with a --no- flag the value true; here, what is not given is absent.
    if (option.negate) command.setOptionValueWithSource(key, undefined, undefined);
  }
  if (command.options.every(({ helpGroupHeading }) => helpGroupHeading !== undefined)) {
    command.optionsGroup('Other:').helpOption('-h, --help', 'display help for command');
  }
  return command.addHelpText('after', `\n${defaults} <n> is a whole number, <x> any number.`);
}

/** Maximum number of options of a short help; a longer one begins with those that people need first. */
const shortHelp = 20;

/** Returns the options under their headings, in the order of the help. */
function inHelpOrder(schema: Schema) {
  const keys = Object.keys(schema.shape);
  const groups = [...helpGroups, undefined];
  const options = groups.flatMap((group) =>
    keys.map((key) => ({ key, about: aboutField(schema, key) })).filter(({ about }) => about.group === group),
  );
  const first = keys.length > shortHelp ? options.filter(({ about }) => about.first) : [];
  const others = options.filter((option) => !first.includes(option));
  return [
    ...first.map((option) => ({ ...option, heading: 'Needed first' })),
    ...others.map((option) => ({ ...option, heading: option.about.group })),
  ];
}

/** Returns the flags that were given. */
export const givenFlags = (parsed: Flags): [string, unknown][] =>
  Object.entries(parsed).filter(([, value]) => value !== undefined);

const isNumber = (text: string): boolean => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

/** Returns the name of a flag's option in messages; it may be one that only the command line has. */
export const labelOf = (key: string): string => (key === 'group' ? '--no-group' : named(key, flagOf(key)));

/** Returns the schema's options among those that commander parsed, checked. */
export function flagOptions<S extends Schema>(schema: S, parsed: Flags): Given<S> {
  const flags = givenFlags(parsed).filter(([key]) => key in schema.shape);
  return checkOptions(schema, Object.fromEntries(flags), labelOf);
}

/** Returns the folder given to --resume, if any. */
export function folderToResume({ resume }: Flags): string | undefined {
  if (resume === undefined || isPath(resume)) return resume;
  throw refused('--resume', resume, 'the folder of what was interrupted');
}

/** Refuses flags beside --resume or --collect, but `others`. `subject`: the options with which that goes on. */
export function requireAlone(
  parsed: Flags,
  flag: 'resume' | 'collect',
  subject: string,
  others: readonly string[],
): void {
  const first = givenFlags(parsed).find(([key]) => key !== flag && !others.includes(key));
  if (first === undefined) return;
  const list = new Intl.ListFormat('en-GB').format(others.map(labelOf));
  throw invalidOption(
    `${labelOf(first[0])} cannot accompany --${flag}, which goes on with ${subject}: only ${list} can.`,
  );
}

/** Merges the options of the --config file with the flags, which go first. Their user says if one is missing. */
export async function mergedOptions<S extends Schema>(schema: S, parsed: Flags): Promise<Given<S>> {
  const flags = flagOptions(schema, parsed);
  if (typeof parsed.config !== 'string') return flags;
  const written = { ...(await yamlOptions(schema, parsed.config)), ...flags };
  for (const [key, value] of Object.entries(written)) {
    if (aboutField(schema, key).scope === 'input' && !(key in flags)) requireThere(parsed.config, key, value);
  }
  return written;
}

/** @throws L2TError FILE_ACCESS if a path in a YAML file leads nowhere. */
function requireThere(file: string, key: string, value: unknown): void {
  const path = [value].flat().find((each) => typeof each === 'string' && !existsSync(each));
  if (path === undefined) return;
  throw fileAccess(
    `${file}: ${key} is ${path}, which is not in ${process.cwd()}: correct it, or call this in the folder from where the path leads there.`,
  );
}
