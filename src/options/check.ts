import { resolve } from 'node:path';
import { inspect } from 'node:util';
import type * as z from 'zod';
import type { L2TError } from '../errors.js';
import { invalidOption } from '../system/failures.js';
import type { Marks } from './marks.js';
import type { OptionHelp } from './option-help.js';
import { didYouMean, flagOf, isCommandLine, named, type Spelling, spelled } from './spelling.js';

/**
 * Describes an option. `allowed` ends the sentence "it must be …"; `value` is what help shows after the flag. An option
 * that `repeats` takes one value or a list; on the command line the flag is repeated.
 */
export interface About extends Marks {
  readonly [key: string]: unknown;
  readonly allowed: string;
  readonly value: string;
  readonly help: string;
  /** The names that it takes: one of them, or some of them where `value` is `list`. */
  readonly names?: readonly string[] | undefined;
  readonly repeats?: true;
}

export const anyPath = 'a path';
export const isPath = (text: string): boolean => text !== '' && !text.includes('\0');

/** Returns the value of an option, with each path changed if it holds any. */
export function changePaths({ allowed, words = [] }: About, value: unknown, change: (path: string) => string): unknown {
  if (allowed !== anyPath) return value;
  const changed = (path: string) => (words.includes(path) ? path : change(path));
  return Array.isArray(value) ? value.map(changed) : changed(value as string);
}

/**
 * Makes a caller's path absolute at once: a program may change its working directory while a call goes on. The command
 * line does not, so its paths stay.
 */
export const absolutePath = (path: string): string => (isCommandLine() ? path : resolve(path));

/** A table of options: its keys are their names, and each of its fields carries its row (row.ts). */
export type Schema = z.ZodObject<Record<string, z.ZodType>>;

/** A schema's options before defaults are filled in: each may be absent. */
export type Given<S extends Schema> = { [K in keyof z.output<S>]?: z.output<S>[K] | undefined };

/**
 * The options as a caller may write them: for example an array instead of a comma-separated string. The options of
 * `Needed` are required. Editors show the help of `Own` in place of `OptionHelp`'s.
 */
export type Written<S extends Schema, Needed extends keyof z.input<S> = never, Own = object> = {
  readonly [K in keyof z.input<S>]?: z.input<S>[K] | undefined;
} & Pick<OptionHelp, Exclude<keyof z.input<S> & keyof OptionHelp, keyof Own>> &
  Pick<Own, keyof Own & keyof z.input<S>> & {
    readonly [K in Needed]: NonNullable<z.input<S>[K]>;
  };

/**
 * Returns the help text of an option: its purpose, its default in parentheses, and the allowed values. `spelling`: how
 * it names other options.
 */
export function helpOf(about: About, spelling: Spelling): string {
  const { allowed, value, off } = about;
  const usual = literalDefault(about);
  const purpose = (spelling === 'flags' && off) || about.help;
  const help = usual === undefined || value === '' ? purpose : `${purpose} (${written(usual)})`;
  // The placeholder (<n>, <x>, <dir>) shows the type already.
  const range = allowed.replace(/^a (whole )?number /, '');
  return spelled(value === '' || allowed === anyPath ? help : `${help}; ${range}`, spelling);
}

/** The value where none is given; undefined if there is none, or if it depends on other options. */
export const literalDefault = ({ default: usual }: Marks): number | string | boolean | undefined =>
  typeof usual === 'function' ? undefined : usual;

/** 0.0001 → 1e-4. */
const written = (value: number | string | boolean): string =>
  typeof value === 'number' && value > 0 && value < 1e-3 ? value.toExponential() : String(value);

/** The value of an option where none is given. */
export const defaultOf = <S extends Schema, K extends keyof z.output<S> & string>(schema: S, key: K) =>
  aboutField(schema, key).default as NonNullable<z.output<S>[K]>;

/** The options for which the table has the paper's value. */
export const paperOptions = (schema: Schema): Record<string, number | string> =>
  Object.fromEntries(
    Object.keys(schema.shape).flatMap((key) => {
      const { paper } = aboutField(schema, key);
      return paper === undefined ? [] : [[key, paper]];
    }),
  );

export const aboutField = (schema: Schema, key: string): About => schema.shape[key]?.meta() as About;

/** The flag that gives the option: `--no-report` for a switch that is on by default. */
export const longFlagOf = (key: string, about: About): string =>
  about.default === true ? flagOf(key).replace('--', '--no-') : flagOf(key);

/**
 * Checks options from one origin (API, command line or file). `label` gives an option's name as it is written there.
 * @throws L2TError INVALID_OPTION naming the option, the value and what is allowed. For an unknown option or name, the
 *   message suggests a similar one.
 */
export function checkOptions<S extends Schema>(
  schema: S,
  options: Readonly<Record<string, unknown>>,
  label: (key: string) => string = (key) => `Option ${named(key)}`,
): Given<S> {
  const present = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const parsed = schema.partial().safeParse(present);
  if (parsed.success) return parsed.data as Given<S>;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] as string;
    const hint = didYouMean(key, Object.keys(schema.shape));
    throw invalidOption(`${label(key)} is unknown: correct its name or leave it out.${hint}`);
  }
  const key = String(issue.path[0]);
  const { allowed, names = [], repeats } = aboutField(schema, key);
  const value = repeats ? misfit(schema.shape[key] as z.ZodType, present[key]) : present[key];
  // timm's names of networks may end in a tag, as in resnet50.a1_in1k.
  const similar = typeof value === 'string' ? value.replace(/\..*/s, '') : '';
  const hint = similar === '' ? '' : didYouMean(similar, names);
  throw refused(label(key), value, allowed, hint);
}

/** The first invalid entry, if `value` is a list; else `value`. */
function misfit(schema: z.ZodType, value: unknown): unknown {
  return [value].flat().find((entry) => !schema.safeParse(entry).success) ?? value;
}

/** An INVALID_OPTION error. `what` names the option or argument; `allowed` ends the sentence "it must be …". */
export function refused(what: string, value: unknown, allowed: string, hint = ''): L2TError {
  return invalidOption(`${what} is ${shown(value)}: it must be ${allowed}.${hint}`);
}

function shown(value: unknown): string {
  // With `customInspect: false`, no code of the value runs: no getter, no trap of a proxy.
  const plain = inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, customInspect: false });
  const written = typeof value === 'string' ? `'${value}'` : plain.replaceAll(/\s*\n\s*/g, ' ');
  return written.length > 100 ? `${written.slice(0, 100)}…` : written;
}

/** Returns the option. Throws INVALID_OPTION, with its help text, if it is missing. */
export function required<S extends Schema, K extends keyof Given<S> & string>(
  schema: S,
  options: Given<S>,
  key: K,
): NonNullable<Given<S>[K]> {
  const value = options[key];
  if (value !== undefined && value !== null) return value;
  const { allowed, help } = aboutField(schema, key);
  throw invalidOption(`${named(key)} is missing (${help}): it must be ${allowed}.`);
}
