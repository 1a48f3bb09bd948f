/**
 * What would steer a terminal, hide or reorder text, or break a line: control and format characters, line separators, lone
 * surrogates. The two that join letters in words and pictures (U+200C, U+200D) are no danger.
 */
const dangerous = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(char: string): string {
  const code = (char.codePointAt(0) as number).toString(16);
  return short[char] ?? (code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`);
}

/** `text` on one line, as a terminal shows it safely: what is dangerous is written as in JavaScript, such as \u001b. */
export const printable = (text: string): string => text.replace(dangerous, escaped);

/** Of a name, characters. */
const longestName = 80;

/** A name or value out of a file, for a message or a table: cut and printable. */
export function shown(name: string, longest = longestName): string {
  if (name.length <= longest) return printable(name);
  // Not between the two halves of a character.
  const end = /[\ud800-\udbff]/.test(name[longest - 1] ?? '') ? longest - 1 : longest;
  return `${printable(name.slice(0, end))}…`;
}

/** As `shown`, in quotes. */
export const quoted = (name: string): string => `"${shown(name)}"`;

/** Of a message, characters of a line: more than any that this package means to say. */
const longestLine = 4000;

/** The lines of a message, each printable. Of one that is very long, the middle is left out: its end says what to do. */
export function printableLines(lines: readonly string[]): string {
  return lines
    .map((line) =>
      line.length <= longestLine
        ? printable(line)
        : `${printable(line.slice(0, longestLine - 1000))} … ${printable(line.slice(-1000))}`,
    )
    .join('\n');
}
