import { type Flag, firstWords, groupsOf, type Place, type Verb } from './words.js';

/** A script for bash, from version 4. */
export function bashScript(verbs: readonly Verb[]): string {
  return `# Completion of l2t-native for bash, written by: l2t-native completion bash
_l2t_native_names() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }
# Names separated by commas: those that were not given yet, behind the others.
_l2t_native_several() {
  local name left= before=
  [[ $2 == *,* ]] && before=\${2%,*},
  for name in $1; do
    [[ ,$before == *",$name,"* ]] || left+="$before$name "
  done
  _l2t_native_names "$left" "$2"
  # Where a colon ends a word, bash replaces what follows the last one.
  [[ $COMP_WORDBREAKS == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${2%"\${2##*:}"}"}")
  compopt -o nospace 2> /dev/null
}
_l2t_native_file() { mapfile -t COMPREPLY < <(compgen -f -- "$1"); compopt -o filenames 2> /dev/null; }
_l2t_native_folder() { mapfile -t COMPREPLY < <(compgen -d -- "$1"); compopt -o filenames 2> /dev/null; }

# Flags that were not given yet, or that may be repeated.
_l2t_native_flags() {
  local flag left= given=" \${COMP_WORDS[*]:0:COMP_CWORD} "
  for flag in $1; do
    [[ $given == *" $flag "* && " $2 " != *" $flag "* ]] || left+="$flag "
  done
  _l2t_native_names "$left" "$3"
}

_l2t_native() {
  local current=\${COMP_WORDS[COMP_CWORD]} list=\${COMP_WORDS[COMP_CWORD]} verb=\${COMP_WORDS[1]} before at=$COMP_CWORD
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
  if ((COMP_CWORD == 1)); then
    _l2t_native_names '${firstWords(verbs)
      .map(([word]) => word)
      .join(' ')} --help --version' "$current"
    return
  fi
${groupsOf(verbs).map(secondWord).join('\n')}
  case $verb in
${verbs.map(verbCase).join('\n')}
  esac
}
complete -F _l2t_native l2t-native
`;
}

function secondWord([first, verbs]: [string, readonly Verb[]]): string {
  const seconds = verbs.map(({ words }) => words[1]).join(' ');
  return `  if [[ $verb == ${first} ]]; then
    verb="${first} \${COMP_WORDS[2]}"
    if ((COMP_CWORD == 2)); then
      _l2t_native_names '${seconds} --help' "$current"
      return
    fi
  fi`;
}

/** Flags whose values are completed in the same way share a line. */
function verbCase({ words, flags, argument }: Verb): string {
  const lines = new Map<string, string[]>();
  for (const { long, value, optional } of flags) {
    if (value === undefined || optional) continue;
    const line = offer(value);
    lines.set(line, [...(lines.get(line) ?? []), long]);
  }
  const cases = [...lines].map(([line, longs]) => `    ${longs.join(' | ')}) ${line}; return ;;`);
  const names = (some: readonly Flag[]) => `'${some.map(({ long }) => long).join(' ')}'`;
  const repeated = flags.filter(({ repeats }) => repeats);
  const offerFlags = `_l2t_native_flags ${names(flags)} ${names(repeated)} "$current"`;
  const rest = argument
    ? `    if [[ $current == -* ]]; then ${offerFlags}; else ${offer(argument)}; fi ;;`
    : `    ${offerFlags} ;;`;
  return [`  '${words.join(' ')}')`, '    case $before in', ...cases, '    esac', rest].join('\n');
}

function offer({ kind, names }: Place): string {
  if (kind === 'any') return ':';
  if (kind === 'several') return `_l2t_native_several '${names}' "$list"`;
  return kind === 'names' ? `_l2t_native_names '${names}' "$current"` : `_l2t_native_${kind} "$current"`;
}
