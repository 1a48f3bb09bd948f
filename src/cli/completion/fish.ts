import { type Flag, firstWords, ofTwoWords, type Place, type Verb } from './words.js';

/** A script for fish, from version 3. */
export function fishScript(verbs: readonly Verb[]): string {
  const first = firstWords(verbs).map(([word, help]) => line('__l2t_native_words', `-a ${word}`, help));
  const second = ofTwoWords(verbs).map(({ words: [group, word], help }) =>
    line(`__l2t_native_words ${group}`, `-a ${word}`, help),
  );
  return `# Completion of l2t-native for fish, written by: l2t-native completion fish
# Are these, and no more, the words before the current one?
function __l2t_native_words
    set -l words (commandline -opc)
    test "$words[2..-1]" = "$argv"
end
# Do the words begin with these?
function __l2t_native_verb
    set -l words (commandline -opc)
    test "$words[2..$(math 1 + (count $argv))]" = "$argv"
end
# Names separated by commas: those that were not given yet, behind the others.
function __l2t_native_several
    set -l before (commandline -ct | string replace -r -- '^--[^=]*=' '' | string replace -rf -- '(.*,)[^,]*$' '$1')
    for name in $argv
        contains -- $name (string split , -- "$before"); or echo "$before$name"
    end
end
complete -c l2t-native -f
complete -c l2t-native -n __l2t_native_words -l help -d 'show the help'
complete -c l2t-native -n __l2t_native_words -l version -d 'show the version'
${[...first, ...second, ...verbs.flatMap(verbLines)].join('\n')}
`;
}

function verbLines({ words, flags, argument }: Verb): string[] {
  const condition = `__l2t_native_verb ${words.join(' ')}`;
  return [
    ...flags.map((flag) => line(condition, `-l ${flag.long.slice(2)}${valueFlags(flag)}`, flag.help)),
    ...(argument === undefined || argument.kind === 'any' ? [] : [line(condition, placed(argument))]),
  ];
}

/** fish itself offers no value where it may be left out. */
function valueFlags({ value, optional }: Flag): string {
  if (value === undefined || optional) return '';
  if (value.kind === 'any') return ' -x';
  return ` ${value.kind === 'file' ? '-r' : '-x'} ${placed(value)}`;
}

function placed({ kind, names }: Place): string {
  if (kind === 'file') return '-F';
  if (kind === 'folder') return "-a '(__fish_complete_directories)'";
  return kind === 'several' ? `-a '(__l2t_native_several ${names})'` : `-a '${names}'`;
}

const line = (condition: string, what: string, help?: string): string =>
  `complete -c l2t-native -n '${condition}' ${what}${help === undefined ? '' : ` -d ${quoted(help)}`}`;

const quoted = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
