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
