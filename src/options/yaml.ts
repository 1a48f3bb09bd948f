import { isScalar, Lexer, LineCounter, parseDocument, visit, type YAMLError, type YAMLMap } from 'yaml';

// Options and records are 3 deep, and 21,000 class names take half a megabyte. The parser makes some 300 bytes of each byte, takes
// time with the square of the depth, and where the stack ends in it, V8 may end the process instead of throwing an error.
const longest = 2 ** 20;
const deepest = 32;

/**
 * YAML as plain values. What the parser would only warn of on stderr, such as a tag that it does not know, is an error, too: nothing
 * of a file of options may be guessed. Aliases are followed a hundred times at most: a few lines of them could unfold to gigabytes.
 * @throws Error where the text is no such YAML, too long or too deep.
 */
export function parseYaml(text: string): unknown {
  if (text.length > longest) throw new Error(`it has ${text.length} characters, of which at most ${longest} are read`);
  requireShallow(text);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    strict: true,
    logLevel: 'error',
    lineCounter,
    // Not the types of YAML 1.1 (binary, sets, dates), which no option has.
    schema: 'core',
    resolveKnownTags: false,
    // Its own ways to both take time with the square of the length.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw new Error(inWords(problem, lineCounter));
  visit(document, { Map: (_key, { items }) => requireUnique(items, lineCounter) });
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof ReferenceError) throw new Error('its aliases (*name) do not exist, or are too many');
    throw error;
  }
}

/** One line: where, and what is wrong. */
function inWords({ code, message, pos }: YAMLError, lines: LineCounter): string {
  if (code === 'MULTIPLE_DOCS') return 'it holds several documents (---): keep one';
  const advice = code === 'TAG_RESOLVE_FAILED' ? '. Leave the tag out' : '';
  return `${message}${at(pos[0], lines)}${advice}`;
}

function at(position: number, lines: LineCounter): string {
  const { line, col } = lines.linePos(position);
  return ` at line ${line}, column ${col}`;
}

function requireUnique(items: YAMLMap['items'], lines: LineCounter): void {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) throw new Error('a key is no text');
    const name = String(key.value);
    if (seen.has(name)) throw new Error(`the key '${name}' comes twice${at(key.range?.[0] ?? 0, lines)}`);
    seen.add(name);
  }
}

/** The depth, from the tokens alone, is never less than what the parser makes of them. */
function requireShallow(text: string): void {
  /** The columns at which open lines begin. */
  const indents: number[] = [];
  let flow = 0;
  let onLine = 0;
  let textFollows = false;
  let atStart = true;
  for (const token of new Lexer().lex(text)) {
    // What follows this mark is text, whatever it looks like.
    const isText = textFollows;
    textFollows = token === '\x1f';
    if (textFollows) continue;
    if (!isText && /^\r?\n$/.test(token)) {
      [onLine, atStart] = [0, true];
      continue;
    }
    if (atStart) {
      const indent = /^ *$/.test(token) ? token.length : 0;
      while ((indents.at(-1) ?? -1) >= indent) indents.pop();
      indents.push(indent);
      atStart = false;
    }
    if (isText) continue;
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow--;
    else if (['-', '?', ':'].includes(token)) onLine++;
    if (flow + onLine + indents.length > deepest) throw new Error(`it is nested more than ${deepest} deep`);
  }
}
