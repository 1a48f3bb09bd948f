import type { Command, Option } from 'commander';
import { namesOf, takesSome } from '../../options/check.js';
import { spelled } from '../../options/spelling.js';
import { rowOfFlag } from '../flags.js';
import { verbsOf } from '../program.js';

/** What may stand in a place: one of some names, several of them separated by commas, a file, a folder, or anything. */
export type Place = ReturnType<typeof placeOf>;

export interface Flag {
  /** --method */
  readonly long: string;
  readonly help: string;
  /** What its value is; undefined for a switch. */
  readonly value?: Place | undefined;
  /** The value may be left out. */
  readonly optional?: boolean;
  /** It may be given more than once. */
  readonly repeats?: boolean;
}

export type Verb = ReturnType<typeof wordsOf>[number];

/**
 * All that can be typed after `l2t-native`, from the command line itself and the tables of options. `others`: the names
 * of presets and sources, by the verb that takes them.
 */
export const wordsOf = (program: Command, others: Readonly<Record<string, readonly string[]>>) =>
  verbsOf(program).map(([typed, command]) => {
    const [argument] = command.registeredArguments;
    const names = (placeholder: string, choices: readonly string[] = []) =>
      // A name that no table of options has is that of a preset, or of a source.
      choices.length === 0 && /^<?name>?$/.test(placeholder) ? (others[typed] ?? []) : choices;
    const flags: Flag[] = command.options.map((option) => flagFrom(option, names));
    return {
      /** As it is typed: `data check` has two words. */
      words: typed.split(' '),
      help: command.summary() || command.description(),
      flags: [...flags, { long: '--help', help: 'show the help' }],
      /** What its argument is; undefined if it takes none. */
      argument: argument && placeOf(argument.name(), names(argument.name(), argument.argChoices)),
    };
  });

function flagFrom(
  option: Option,
  presetsOr: (placeholder: string, choices?: readonly string[]) => readonly string[],
): Flag {
  const row = rowOfFlag(option);
  const [, placeholder = ''] = option.flags.split(' ');
  const place = row
    ? placeOf(placeholder, namesOf(row.allowed), takesSome(row.allowed))
    : placeOf(placeholder, presetsOr(placeholder, option.argChoices));
  return {
    long: option.long ?? option.flags,
    help: row ? spelled(row.help, 'flags') : option.description,
    value: option.required || option.optional ? place : undefined,
    optional: option.optional,
    repeats: row?.repeats === true,
  };
}

/** A value's placeholder says whether it is a file (or either), or a folder. */
function placeOf(placeholder: string, names: readonly string[], several = false) {
  const kind = () => {
    if (names.length > 0) return several ? 'several' : 'names';
    if (/file|checkpoint|images|zip|path/.test(placeholder)) return 'file';
    return /dir|folder|run/.test(placeholder) ? 'folder' : 'any';
  };
  /** `names`: separated by spaces. */
  return { kind: kind(), names: names.join(' ') } as const;
}

/** What may stand first, with its help: a verb, or the first of a verb's two words. */
export const firstWords = (verbs: readonly Verb[]): [word: string, help: string][] => [
  ...new Map(verbs.map(({ words: [first = ''], help }) => [first, help])),
];

/** The verbs of two words, such as `data check`. */
export const ofTwoWords = (verbs: readonly Verb[]): Verb[] => verbs.filter(({ words }) => words.length === 2);

/** The same by their first word. */
export function groupsOf(verbs: readonly Verb[]): [first: string, verbs: Verb[]][] {
  const two = ofTwoWords(verbs);
  const firsts = [...new Set(two.map(({ words: [first = ''] }) => first))];
  return firsts.map((first) => [first, two.filter(({ words }) => words[0] === first)]);
}
