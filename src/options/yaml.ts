import { isScalar, Lexer, LineCounter, parseDocument, type Scalar, visit, type YAMLError, type YAMLMap } from 'yaml';
import type { L2TError } from '../errors.js';
import { fileAccess, invalidOption } from '../system/failures.js';
import { NotRegularFile, readText } from '../system/files.js';
import { shown } from '../system/printable.js';
import { checkOptions, type Given, type Schema } from './check.js';

// Limits on length (characters) and nesting. Options and records are 3 deep, and 21,000 class names take half a
// megabyte. The parser takes about 300 bytes of memory for each byte, and its time grows with the square of the depth.
// If it overflows the stack, V8 may end the process instead of throwing an error.
const longest = 2 ** 20;
const deepest = 32;

/**
 * Parses YAML into plain values. The parser's warnings, such as an unknown tag, are errors here: no option may be
 * guessed. Aliases are followed at most a hundred times, because a few lines of them could expand to gigabytes.
 * @throws Error if the text is invalid, too long or too deeply nested.
 */
export function parseYaml(text: string): unknown {
  if (text.length > longest) throw new Error(`it has ${text.length} characters, of which at most ${longest} are read`);
  requireShallow(text);
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    strict: true,
    logLevel: 'error',
    lineCounter,
    // This schema lacks the types of YAML 1.1 (binary, sets, dates): no option has them.
    schema: 'core',
    resolveKnownTags: false,
    // The parser's own duplicate check and pretty errors take time quadratic in the length.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw new Error(inWords(problem, lineCounter));
  visit(document, {
    Map: (_key, { items }) => requireUnique(items, lineCounter),
    Scalar: (_key, scalar) => requirePlainNumber(scalar, lineCounter),
  });
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (error instanceof ReferenceError) throw new Error('its aliases (*name) do not exist, or are too many');
    throw error;
  }
}

/** Returns the problem in one line, with its place. */
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

/** Refuses a number such as 01 or 0x10: read as a number, it would be another class name. */
function requirePlainNumber({ value, source, range }: Scalar, lines: LineCounter): void {
  if (typeof value !== 'number' || source === undefined || !/^[-+]?0[\dox]/.test(source)) return;
  throw new Error(
    `${source}${at(range?.[0] ?? 0, lines)} would be the number ${value}: put it in quotes if it is a name`,
  );
}

/** Throws if the text is nested too deeply. The depth is counted from the tokens; it is never below the parser's. */
function requireShallow(text: string): void {
  /** The indents of the current line and of the lines that enclose it. */
  const indents: number[] = [];
  let flow = 0;
  let onLine = 0;
  let textFollows = false;
  let atStart = true;
  for (const token of new Lexer().lex(text)) {
    // The lexer emits \x1f before a scalar: the next token is text, even if it looks like punctuation.
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

/**
 * Reads and checks the options in a YAML file.
 * @throws L2TError FILE_ACCESS; INVALID_OPTION if it is no YAML map, or an entry is unknown or wrong.
 */
export async function yamlOptions<S extends Schema>(schema: S, file: string): Promise<Given<S>> {
  const text = await readText(file).catch((error: unknown) => {
    const { cause } = error as L2TError;
    if (!(cause instanceof NotRegularFile) || cause.found !== 'a folder') throw error;
    throw fileAccess(`Cannot read ${file}: it is a folder: name a YAML file.`, cause);
  });
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    throw invalidOption(`${file} is no valid YAML: ${(cause as Error).message}.`, cause);
  }
  if (value === null || value === undefined) return checkOptions(schema, {});
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalidOption(`${file} must be a map of options, such as 'epochs: 100'.`);
  }
  return checkOptions(schema, value as Record<string, unknown>, (key) => `${file}: ${shown(key)}`);
}
