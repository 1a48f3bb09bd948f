import type { Pair } from '../native/addon.js';
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
  const features = (side: 0 | 1) => [...new Set(cells.map(({ pair }) => pair[side]))].sort((a, b) => a - b);
  const cell = (m: number, n: number) => cells.find(({ pair }) => pair[0] === m && pair[1] === n)?.text ?? '';
  const targets = features(1);
  return table(
    [corner, ...targets.map(nameOfTarget)],
    features(0).map((m) => [nameOfSource(m), ...targets.map((n) => cell(m, n))]),
  );
}
