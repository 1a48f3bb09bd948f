import { intervalOf } from '../system/statistics.js';
import { byCount, type ExperimentRow, isFixed, pairedDifferences, ranked } from './row.js';

type Row = Pick<ExperimentRow, 'label' | 'accuracies' | 'method'>;

/**
 * Says how far the best method is ahead of the next, and whether the seeds settle it: one sentence, or one for each
 * number of images a class; none if fewer than two methods finished a run.
 */
export function conclusionsOf(rows: readonly (Row & Pick<ExperimentRow, 'perClass' | 'mean'>)[]): string[] {
  return byCount(rows).flatMap(({ count, rows: comparable }) => {
    const [best, next] = ranked(comparable);
    if (best === undefined || next === undefined) return [];
    const sentence = sentenceOf(best, next);
    return [count === undefined ? sentence : `With ${count} images a class, ${sentence}`];
  });
}

/**
 * Says how far a row is ahead of another, or behind it, over the seeds that both finished. The difference is settled if
 * Student's 95 % interval of the paired differences does not contain zero. Page, table and terminal say it like this.
 */
export function sentenceOf(row: Row, other: Row): string {
  const differences = pairedDifferences(row, other);
  const [first] = differences;
  if (first === undefined)
    return `${row.label} and ${other.label} have no seed that both finished: nothing is settled.`;
  if (isFixed(row) && isFixed(other)) return `${ahead(row, other, first)} on these test images.`;
  const interval = intervalOf(differences);
  if (interval === undefined) {
    return `${ahead(row, other, first)} (one seed that both finished): one seed settles nothing.`;
  }
  const { mean, low, high } = interval;
  const settled = low > 0 || high < 0 ? 'settled' : 'not settled';
  const range = `95 % interval of the ${differences.length} paired differences: ${points(low)} to ${points(high)}`;
  return `${ahead(row, other, mean)} (${range}): ${settled}.`;
}

/** Says which row is ahead. Over the seeds that both finished, the one with the higher mean may be behind. */
function ahead({ label }: Row, other: Row, difference: number): string {
  if (difference === 0) return `${label} and ${other.label} are equal`;
  if (points(Math.abs(difference)) === '0.0') return `${label} and ${other.label} are less than 0.05 points apart`;
  return `${label} is ${points(Math.abs(difference))} points ${difference < 0 ? 'behind' : 'ahead of'} ${other.label}`;
}

/** Formats a difference of accuracies in percentage points, with a typographic minus sign. */
const points = (difference: number): string =>
  (100 * difference)
    .toFixed(1)
    .replace(/^-0\.0$/, '0.0')
    .replace('-', '−');
