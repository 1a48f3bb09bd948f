import type { NetworkDescription, Pair } from '../native/addon.js';
import { featuresOf } from '../networks/describe.js';
import { printable } from '../system/printable.js';
import { largest } from '../system/statistics.js';

/** Formats a plain table: aligned columns, no lines, each cell on one line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => largest(all.map((row) => columnsOf(row[column] ?? ''))));
  return all.map((row) => tableRow(row, widths)).join('\n');
}

/** Characters that take two columns of a terminal, and characters that take none. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const none = /[\p{M}\u200c\u200d]/u;

/** Returns the columns that a text takes on a terminal, near enough for a table. */
export const columnsOf = (text: string): number =>
  [...printable(text)].reduce((sum, char) => sum + (wide.test(char) ? 2 : none.test(char) ? 0 : 1), 0);

/** Formats a row of a table, which may be printed before the others are known. `widths`: the columns of each cell. */
export const tableRow = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, i) => printable(cell) + ' '.repeat(i < widths.length ? (widths[i] as number) - columnsOf(cell) + 2 : 0))
    .join('')
    .trimEnd();

/** Formats a network's feature maps, a row each. */
export function featureTable(features: NetworkDescription['features']): string {
  const rows = features.map(({ index, channels, size, candidate }) => [
    String(index),
    String(channels),
    `${size}×${size}`,
    candidate ? 'yes' : '',
  ]);
  return table(['feature', 'channels', 'size', 'candidate'], rows);
}

/** A row for each feature of the source, a column for each of the target, by index; cells without a pair are empty. */
export function pairTable(
  corner: string,
  cells: readonly { readonly pair: Pair; readonly text: string }[],
  nameOfSource: (feature: number) => string = String,
  nameOfTarget: (feature: number) => string = String,
): string {
  const cell = (m: number, n: number) => cells.find(({ pair }) => pair[0] === m && pair[1] === n)?.text ?? '';
  const targets = featuresOf(cells, 1);
  return table(
    [corner, ...targets.map(nameOfTarget)],
    featuresOf(cells, 0).map((m) => [nameOfSource(m), ...targets.map((n) => cell(m, n))]),
  );
}
