/**
 * Characters that could control a terminal, hide or reorder text, or break a line: control and format characters, line
 * separators, lone surrogates. The two joiners of letters and emoji (U+200C, U+200D) are harmless.
 */
const dangerous = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(char: string): string {
  const code = (char.codePointAt(0) as number).toString(16);
  return short[char] ?? (code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`);
}

/** `text` on one line, safe for a terminal: dangerous characters become JavaScript escapes such as \u001b. */
export const printable = (text: string): string => text.replace(dangerous, escaped);

/** A JSON document, safe for a terminal: its dangerous characters are escaped as JSON does it, so it is read as the same. */
export const printableJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(dangerous, (char) => (char === '\n' ? char : escapedUnits(char)));

const escapedUnits = (text: string): string =>
  text.replace(/./gs, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Characters of a name that are shown at most. */
const longestName = 80;

/** A name or value from a file, shortened and made printable for a message or a table. */
export function shown(name: string, longest = longestName): string {
  if (name.length <= longest) return printable(name);
  // Do not cut between the two halves of a surrogate pair.
  const end = /[\ud800-\udbff]/.test(name[longest - 1] ?? '') ? longest - 1 : longest;
  return `${printable(name.slice(0, end))}…`;
}

/** A count with its noun: "1 thread", "2 classes". */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** The same as `shown`, in quotes. */
export const quoted = (name: string): string => `"${shown(name)}"`;

/** The first `most` names, each written by `write`, and how many there are besides: "a, b and 3 more". */
export function someOf(names: readonly string[], most: number, write: (name: string) => string = shown): string {
  const some = names.slice(0, most).map((name) => write(name));
  return some.join(', ') + (names.length > most ? ` and ${names.length - most} more` : '');
}

/** Characters of a message's line that are shown at most: this package's own messages are shorter. */
const longestLine = 4000;

/** Joins a message's lines, each made printable. A very long line loses its middle, because its end says what to do. */
export function printableLines(lines: readonly string[]): string {
  return lines
    .map((line) =>
      line.length <= longestLine
        ? printable(line)
        : `${printable(line.slice(0, longestLine - 1000))} … ${printable(line.slice(-1000))}`,
    )
    .join('\n');
}

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** Seconds in the two largest units: "2 d 3 h". */
export function duration(seconds: number): string {
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first === -1) return 'less than 1 s';
  const within = (k: number) => (k === first ? seconds : seconds % (units[k - 1]?.[1] ?? 1));
  return units
    .map(([unit, length], k) => `${Math.floor(within(k) / length)} ${unit}`)
    .slice(first, first + 2)
    .join(' ');
}

/** A value in a table; null and undefined become an empty cell. */
export type CsvValue = string | number | null | undefined;

/** A line of CSV. Cells are quoted as RFC 4180 says, where they need it; the line ends in \n, as in other text files. */
export const csvLine = (cells: readonly CsvValue[]): string => `${cells.map(written).join(',')}\n`;

function written(value: CsvValue): string {
  const text = String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Quotes `text` where needed, so that a shell reads it as one word. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
