import type { Argument, Command, Option } from 'commander';
import { namesOf, takesSome } from '../../options/check.js';
import { spelled } from '../../options/spelling.js';
import { rowOfFlag } from '../flags.js';
import { verbsOf } from '../program.js';

/** What may stand in a place: one of some names, several separated by commas, a file, a folder, or what cannot be known. */
export type Place = readonly string[] | { readonly several: readonly string[] } | 'file' | 'folder' | 'any';

export interface Flag {
  /** --method */
  readonly long: string;
  readonly help: string;
  /** What its value is; undefined for a switch. */
  readonly value: Place | undefined;
  /** The value may be left out. */
  readonly optional: boolean;
  /** It may be given more than once. */
  readonly repeats: boolean;
}

export interface Verb {
  /** As it is typed: `data check` has two words. */
  readonly words: readonly string[];
  readonly help: string;
  readonly flags: readonly Flag[];
  /** What its argument is; undefined if it takes none. */
  readonly argument: Place | undefined;
}

/** The names of presets, by the verb that takes them. */
export type PresetNames = Readonly<Record<string, readonly string[]>>;

/** All that can be typed after `l2t-native`, from the command line itself and the tables of options. */
export function wordsOf(program: Command, presets: PresetNames): Verb[] {
  return verbsOf(program).map(([typed, command]) => {
    const ofPresets = presets[typed] ?? [];
    const [argument] = command.registeredArguments;
    return {
      words: typed.split(' '),
      help: command.description(),
      flags: [...command.options.map((option) => flagFrom(option, ofPresets)), helpFlag],
      argument: argument && argumentPlace(argument, ofPresets),
    };
  });
}

const helpFlag: Flag = { long: '--help', help: 'show the help', value: undefined, optional: false, repeats: false };

function flagFrom(option: Option, presets: readonly string[]): Flag {
  const row = rowOfFlag(option);
  const names = option.argChoices ?? namesOf(row?.allowed ?? '');
  const [, placeholder = ''] = option.flags.split(' ');
  const takesValue = option.required || option.optional;
  const place =
    row !== undefined && takesSome(row.allowed)
      ? { several: names }
      : placeOf(placeholder, row ? names : namesOr(names, placeholder, presets));
  return {
    long: option.long ?? option.flags,
    help: row ? spelled(row.help, 'flags') : option.description,
    value: takesValue ? place : undefined,
    optional: option.optional,
    repeats: row?.repeats === true,
  };
}

const argumentPlace = (argument: Argument, presets: readonly string[]): Place =>
  placeOf(argument.name(), namesOr(argument.argChoices ?? [], argument.name(), presets));

/** A name that no table has is that of a preset. */
const namesOr = (names: readonly string[], placeholder: string, presets: readonly string[]): readonly string[] =>
  names.length === 0 && /^<?name>?$/.test(placeholder) ? presets : names;

/** A value's placeholder says whether it is a file (or either), or a folder. */
function placeOf(placeholder: string, names: readonly string[]): Place {
  if (names.length > 0) return names;
  if (/file|checkpoint|images|zip|path/.test(placeholder)) return 'file';
  return /dir|folder|run/.test(placeholder) ? 'folder' : 'any';
}

/** What may stand first, with its help: a verb, or the first of a verb's two words. */
export function firstWords(verbs: readonly Verb[]): ReadonlyMap<string, string> {
  return new Map(verbs.map(({ words: [first = ''], help: about }) => [first, about]));
}

/** The verbs of two words, such as `data check`. */
export const ofTwoWords = (verbs: readonly Verb[]): Verb[] => verbs.filter(({ words }) => words.length === 2);
