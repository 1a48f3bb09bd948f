import Table from 'cli-table3';
import { printable } from '../system/printable.js';

/** A plain table: aligned columns, no lines, each cell on one line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const plain = new Table({
    head: head.map(printable),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: {
      ...{
        top: '',
        'top-mid': '',
        'top-left': '',
        'top-right': '',
        left: '',
        'left-mid': '',
        right: '',
        'right-mid': '',
      },
      ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', mid: '', 'mid-mid': '', middle: '' },
    },
  });
  for (const row of rows) plain.push(row.map(printable));
  return plain.toString();
}
