import { Argument, type Command } from 'commander';
import { presets } from '../experiments/presets.js';
import { publishedNames } from '../options/sources.js';
import { spelled } from '../options/spelling.js';
import { rowOfFlag } from './flags.js';
import { verbsOf } from './program.js';

/**
 * How each shell completes a value of a kind; `names` are separated by spaces. In bash it is a command, in zsh an
 * action of _arguments, in fish flags of `complete`.
 */
const kinds = {
  any: { bash: () => ':', zsh: () => ' ', fish: () => '-x' },
  names: {
    bash: (names: string) => `_l2t_native_names '${names}'`,
    zsh: (names: string) => `(${names})`,
    fish: (names: string) => `-xa '${names}'`,
  },
  /** Names separated by commas. */
  several: {
    bash: (names: string) => `_l2t_native_several '${names}'`,
    zsh: (names: string) => `_sequence compadd - ${names}`,
    fish: (names: string) => `-xa '(__l2t_native_several ${names})'`,
  },
  /** A file or a folder. */
  file: { bash: () => '_l2t_native_paths -f', zsh: () => '_files', fish: () => '-rF' },
  folder: {
    bash: () => '_l2t_native_paths -d',
    zsh: () => '_files -/',
    fish: () => "-xa '(__fish_complete_directories)'",
  },
} as const;

type Words = ReturnType<typeof wordsOf>;
type Verb = Words['verbs'][number];
type Flag = Verb['flags'][number];

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** `whole` returns the command line with the flags of all verbs. */
export function register(command: Command, whole: () => Promise<Command>): void {
  command
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(scripts)))
    .action(async (shell: keyof typeof scripts) => {
      const all = await presets();
      const named = (pretrain: boolean) =>
        all.filter(({ verb }) => (verb === 'pretrain') === pretrain).map(({ name }) => name);
      const others = { reproduce: named(false), pretrain: named(true), 'source get': publishedNames };
      process.stdout.write(scripts[shell](wordsOf(await whole(), others)));
    });
}

/**
 * Returns everything that can be typed after `l2t-native`, from the command line itself and the tables of options.
 * `others`: the names of presets and sources, by the verb that takes them.
 */
function wordsOf(program: Command, others: Readonly<Record<string, readonly string[]>>) {
  /** Words that may follow others, with their help: the verbs after none, `check` and others after `data`. */
  const menus = new Map([['', new Map<string, string>()]]);
  const verbs = verbsOf(program).map(([typed, command]) => {
    const help = command.summary() || command.description();
    const [first = '', second] = typed.split(' ');
    menus.get('')?.set(first, help);
    if (second !== undefined) menus.set(first, (menus.get(first) ?? new Map<string, string>()).set(second, help));
    // A name that no table of options has is that of a preset, or of a source.
    const named = (placeholder: string, names: readonly string[] = []) =>
      completionOf(placeholder, names.length === 0 && /^<?name>?$/.test(placeholder) ? (others[typed] ?? []) : names);
    const flags = command.options.map((option) => {
      const row = rowOfFlag(option);
      const [, placeholder = ''] = option.flags.split(' ');
      const value = row
        ? completionOf(placeholder, row.names, row.value === 'list')
        : named(placeholder, option.argChoices);
      return {
        long: option.long ?? option.flags,
        help: row ? spelled(row.help, 'flags') : option.description,
        /** The kind of its value; undefined for a switch. */
        value: option.required ? value : undefined,
        /** True if it may be given more than once. */
        repeats: row?.repeats === true,
      };
    });
    const [argument] = command.registeredArguments;
    return {
      /** The verb as it is typed: `data check` has two words. */
      typed,
      flags: [...flags, { long: '--help', help: 'show the help', value: undefined, repeats: false }],
      /** The kind of its argument; undefined if it takes none. */
      argument: argument && named(argument.name(), argument.argChoices),
    };
  });
  for (const menu of menus.values()) menu.set('--help', 'show the help');
  menus.get('')?.set('--version', 'show the version');
  return { menus: [...menus].map(([typed, words]) => ({ typed, words: [...words] })), verbs };
}

/** Returns how to complete a value. Its placeholder says whether it is a file (or either), or a folder. */
function completionOf(placeholder: string, names: readonly string[] = [], several = false) {
  const kind = (): keyof typeof kinds => {
    if (names.length > 0) return several ? 'several' : 'names';
    if (/file|checkpoint|images|zip|path/.test(placeholder)) return 'file';
    return /dir|folder|run/.test(placeholder) ? 'folder' : 'any';
  };
  return { kind: kind(), names: names.join(' ') };
}

const offer = (shell: keyof typeof scripts, { kind, names }: NonNullable<Flag['value']>) => kinds[kind][shell](names);

/** Returns the script for bash, from version 4. */
function bashScript({ menus, verbs }: Words): string {
  const menu = ({ typed, words }: Words['menus'][number]) =>
    `  '${typed} ') _l2t_native_names '${words.map(([word]) => word).join(' ')}' ;;`;
  const verb = ({ typed, flags, argument }: Verb) => {
    const values = flags.flatMap(({ long, value }) =>
      value ? [`    ${long}) ${offer('bash', value)}; return ;;`] : [],
    );
    const longs = (repeat: boolean) =>
      flags.flatMap(({ long, repeats }) => (repeats === repeat ? [long] : [])).join(' ');
    return [
      `  '${typed} '*)\n    case $before in`,
      ...values,
      '    esac',
      ...(argument ? [`    [[ $current == -* ]] || { ${offer('bash', argument)}; return; }`] : []),
      `    _l2t_native_names "${longs(true)} $(_l2t_native_left '${longs(false)}' " \${COMP_WORDS[*]:0:COMP_CWORD} " ' ')" ;;`,
    ].join('\n');
  };
  return `# Completion of l2t-native for bash, written by: l2t-native completion bash
_l2t_native_names() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "\${2-$current}"); }
_l2t_native_paths() { mapfile -t COMPREPLY < <(compgen "$1" -- "$current"); compopt -o filenames 2> /dev/null; }
# Of some names, those that a text does not have between separators; each with what stands before it.
_l2t_native_left() { local name; for name in $1; do [[ $2 == *"$3$name$3"* ]] || printf '%s ' "$4$name"; done; }
# Names separated by commas: those that were not given yet, behind the others.
_l2t_native_several() {
  local before=
  [[ $list == *,* ]] && before=\${list%,*},
  _l2t_native_names "$(_l2t_native_left "$1" ",$before" , "$before")" "$list"
  # Where a colon ends a word, bash replaces what follows the last one.
  [[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${list%"\${list##*:}"}"}")
  compopt -o nospace 2> /dev/null
}
_l2t_native() {
  local current=\${COMP_WORDS[COMP_CWORD]} list=\${COMP_WORDS[COMP_CWORD]} before at=$COMP_CWORD
  COMPREPLY=()
  # bash makes three words of fm:one-to-one, and of --flag=value.
  while ((at > 1)) && [[ \${COMP_WORDS[at]} == : || \${COMP_WORDS[at - 1]} == : ]]; do
    ((at--))
    list=\${COMP_WORDS[at]}$list
  done
  before=\${COMP_WORDS[at - 1]}
  if [[ $current == = ]]; then
    current= list=
  elif [[ $before == = ]]; then
    before=\${COMP_WORDS[at - 2]}
  fi
  case "\${COMP_WORDS[*]:1:COMP_CWORD-1} " in
${[...menus.map(menu), ...verbs.map(verb)].join('\n')}
  esac
}
complete -F _l2t_native l2t-native
`;
}

/** Returns the script for zsh: a file of its fpath, or sourced. */
function zshScript({ menus, verbs }: Words): string {
  const text = (plain: string) => `'${plain.replaceAll("'", "'\\''")}'`;
  const menu = ({ typed, words }: Words['menus'][number]) => {
    const described = words.map(([word, help]) => text(`${word}:${help.replaceAll(/[\\:]/g, '\\$&')}`));
    return `  '${typed} ') local -a verbs=(${described.join(' ')}); _describe 'verb' verbs ;;`;
  };
  const flag = ({ long, help, value, repeats }: Flag) => {
    const about = `[${help.replaceAll(/[\\\]]/g, '\\$&')}]`;
    if (value === undefined) return `${long}${about}`;
    return `${repeats ? '*' : ''}${long}=${about}:value:${offer('zsh', value)}`;
  };
  const verb = ({ typed, flags, argument }: Verb) => {
    const specs = [...flags.map(flag), ...(argument ? [`*:argument:${offer('zsh', argument)}`] : [])];
    const count = typed.split(' ').length;
    return `  '${typed} '*) shift ${count} words; ((CURRENT -= ${count})); _arguments ${specs.map(text).join(' \\\n    ')} ;;`;
  };
  return `#compdef l2t-native
# Completion of l2t-native for zsh, written by: l2t-native completion zsh
_l2t-native() {
  local context state state_descr line
  typeset -A opt_args
  case "\${words[2,CURRENT-1]} " in
${[...menus.map(menu), ...verbs.map(verb)].join('\n')}
  esac
}
if [[ $funcstack[1] == _l2t-native ]]; then
  _l2t-native "$@"
else
  compdef _l2t-native l2t-native
fi
`;
}

/** Returns the script for fish, from version 3. */
function fishScript({ menus, verbs }: Words): string {
  const line = (before: string, what: string, help?: string) =>
    `complete -c l2t-native -n '__l2t_native_after "${before}"' ${what}${help ? ` -d '${help.replaceAll(/[\\']/g, '\\$&')}'` : ''}`;
  const lines = [
    ...menus.flatMap(({ typed, words }) => words.map(([word, help]) => line(`${typed} `, `-a '${word}'`, help))),
    ...verbs.flatMap(({ typed, flags, argument }) => [
      ...flags.map(({ long, help, value }) =>
        line(`${typed} *`, `-l ${long.slice(2)} ${value ? offer('fish', value) : ''}`, help),
      ),
      ...(argument ? [line(`${typed} *`, offer('fish', argument))] : []),
    ]),
  ];
  return `# Completion of l2t-native for fish, written by: l2t-native completion fish
# Does this pattern fit the words before the current one?
function __l2t_native_after
    set -l words (commandline -opc)
    string match -q -- $argv "$words[2..-1] "
end
# Names separated by commas: those that were not given yet, behind the others.
function __l2t_native_several
    set -l before (commandline -ct | string replace -r -- '^--[^=]*=' '' | string replace -rf -- '(.*,)[^,]*$' '$1')
    for name in $argv
        contains -- $name (string split , -- "$before"); or echo "$before$name"
    end
end
complete -c l2t-native -f
${lines.join('\n')}
`;
}
