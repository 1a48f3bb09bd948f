import Table from 'cli-table3';
import { printable } from '../system/printable.js';

const borders = ['top', 'bottom', 'left', 'right', 'mid', 'middle', 'top-mid', 'top-left', 'top-right'] as const;
const corners = ['bottom-mid', 'bottom-left', 'bottom-right', 'left-mid', 'mid-mid', 'right-mid'] as const;
const noBorders = Object.fromEntries([...borders, ...corners].map((name) => [name, '']));

/** A plain table: aligned columns, no lines, each cell on one line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const plain = new Table({
    head: head.map(printable),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: noBorders,
  });
  for (const row of rows) plain.push(row.map(printable));
  return plain.toString();
}

/** Characters that take two columns of a terminal, and characters that take none. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const none = /[\p{M}\u200c\u200d]/u;

/** The columns that a text takes on a terminal, near enough for a table. */
export const columnsOf = (text: string): number =>
  [...printable(text)].reduce((sum, char) => sum + (wide.test(char) ? 2 : none.test(char) ? 0 : 1), 0);

/** A row of a table whose rows are printed as they come. `widths`: the columns of each cell but the last. */
export const tableRow = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => printable(cell) + ' '.repeat(i < widths.length ? (widths[i] as number) - columnsOf(cell) + 2 : 0))
    .join('')
    .trimEnd();
