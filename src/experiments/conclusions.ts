import { intervalOf } from '../system/statistics.js';
import { type ExperimentRow, pairedDifferences, ranked } from './row.js';

type Row = Pick<ExperimentRow, 'label' | 'perClass' | 'mean' | 'accuracies'>;

/**
 * Says how far the best method is ahead of the next, and whether the seeds settle it: one sentence, or one for each
 * number of images a class; none if fewer than two methods finished a run.
 */
export function conclusionsOf(rows: readonly Row[]): string[] {
  const counts = [...new Set(rows.map(({ perClass }) => perClass))];
  return counts.flatMap((count) => {
    const [best, next] = ranked(rows.filter(({ perClass }) => perClass === count));
    if (best === undefined || next === undefined) return [];
    const sentence = compared(best, next);
    return [count === undefined ? sentence : `With ${count} images a class, ${sentence}`];
  });
}

function compared(best: Row, next: Row): string {
  const differences = pairedDifferences(best, next);
  const [first] = differences;
  if (first === undefined)
    return `${best.label} and ${next.label} have no seed that both finished: nothing is settled.`;
  const interval = intervalOf(differences);
  if (interval === undefined) {
    return `${ahead(best, next, first)} (one seed that both finished): one seed settles nothing.`;
  }
  const { mean, low, high } = interval;
  const settled = low > 0 || high < 0 ? 'settled' : 'not settled';
  const range = `95 % interval of the ${differences.length} paired differences: ${points(low)} to ${points(high)}`;
  return `${ahead(best, next, mean)} (${range}): ${settled}.`;
}

/** Over the seeds that both finished, the method with the higher mean may be behind. */
function ahead(best: Row, next: Row, difference: number): string {
  if (difference === 0) return `${best.label} and ${next.label} are equal`;
  if (points(Math.abs(difference)) === '0.0') return `${best.label} and ${next.label} are less than 0.05 points apart`;
  return `${best.label} is ${points(Math.abs(difference))} points ${difference < 0 ? 'behind' : 'ahead of'} ${next.label}`;
}

/** Formats a difference of accuracies in percentage points, with a typographic minus sign. */
const points = (difference: number): string =>
  (100 * difference)
    .toFixed(1)
    .replace(/^-0\.0$/, '0.0')
    .replace('-', '−');
