import { type Flag, firstWords, groupsOf, type Place, type Verb } from './words.js';

/** A script for zsh: a file of its fpath, or sourced. */
export function zshScript(verbs: readonly Verb[]): string {
  const first = firstWords(verbs).map(([word, help]) => described(word, help));
  const second = groupsOf(verbs).map(([group, inner]) =>
    [
      `    ${group})`,
      `      if ((CURRENT == 2)); then`,
      `        local -a verbs=(${inner.map(({ words: [, word = ''], help }) => described(word, help)).join(' ')})`,
      "        _describe 'verb' verbs",
      '      else',
      '        shift words; ((CURRENT--))',
      '        case $words[1] in',
      ...inner.map((verb) => `        ${verb.words[1]}) _arguments ${specsOf(verb).join(' ')} ;;`),
      '        esac',
      '      fi ;;',
    ].join('\n'),
  );
  const others = verbs.filter(({ words }) => words.length === 1).map(verbCase);
  return `#compdef l2t-native
# Completion of l2t-native for zsh, written by: l2t-native completion zsh
_l2t-native() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C '(- *)--help[show the help]' '(- *)--version[show the version]' '1: :->verb' '*:: :->rest'
  case $state in
  verb)
    local -a verbs=(
      ${first.join('\n      ')}
    )
    _describe 'verb' verbs ;;
  rest)
    case $words[1] in
${[...second, ...others].join('\n')}
    esac ;;
  esac
}
if [[ $funcstack[1] == _l2t-native ]]; then
  _l2t-native "$@"
else
  compdef _l2t-native l2t-native
fi
`;
}

const verbCase = (verb: Verb): string =>
  [`    ${verb.words[0]})`, `      _arguments \\\n        ${specsOf(verb).join(' \\\n        ')} ;;`].join('\n');

/** `'--method=[how to learn]:name:(l2t-ww fm)'` and so on, for _arguments. */
function specsOf({ flags, argument }: Pick<Verb, 'flags' | 'argument'>): string[] {
  return [...flags.map(flagSpec), ...(argument ? [`*:argument:${action(argument)}`] : [])].map(quoted);
}

function flagSpec({ long, help, value, optional, repeats }: Flag): string {
  const about = `[${help.replaceAll(/[\\\]]/g, '\\$&')}]`;
  if (value === undefined) return `${long}${about}`;
  const times = repeats ? '*' : '';
  return `${times}${long}${optional ? '' : '='}${about}:${optional ? ':' : ''}value:${action(value)}`;
}

function action({ kind, names }: Place): string {
  if (kind === 'any') return ' ';
  if (kind === 'several') return `_sequence compadd - ${names}`;
  return kind === 'names' ? `(${names})` : `_files${kind === 'folder' ? ' -/' : ''}`;
}

/** A word with its help, for _describe. */
const described = (word: string, help: string): string => quoted(`${word}:${help.replaceAll(/[\\:]/g, '\\$&')}`);

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
