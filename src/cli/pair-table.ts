import type { Pair } from '../native/addon.js';
import { featuresOf } from '../report/features.js';
import { table } from './table.js';

export interface PairCell {
  readonly pair: Pair;
  readonly text: string;
}

/** A row for each feature of the source, a column for each of the target, by index; cells without a pair are empty. */
export function pairTable(
  corner: string,
  cells: readonly PairCell[],
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
