import { Random } from '../data/random.js';
import { type Interval, intervalOf, mean } from '../system/statistics.js';
import { type ExperimentRow, pairedDifferences } from './row.js';

type Row = Pick<ExperimentRow, 'label' | 'accuracies'>;

/** How far a row is from a baseline, over the seeds that both finished. Differences are of accuracies in [0, 1]. */
export interface Difference {
  readonly label: string;
  readonly differences: readonly number[];
  readonly mean: number;
  /** Percentile bootstrap, 95 %; undefined for one seed. */
  readonly bootstrap: Interval | undefined;
  /** Student's t, 95 %; undefined for one seed. */
  readonly interval: Interval | undefined;
}

/** The rows that share a seed with the baseline, compared with it. */
export function differencesTo(baseline: Row, rows: readonly Row[]): Difference[] {
  return rows.flatMap((row) => {
    const differences = pairedDifferences(row, baseline);
    if (row === baseline || differences.length === 0) return [];
    const shared = { label: row.label, differences, mean: mean(differences) };
    return [{ ...shared, bootstrap: bootstrapOf(differences), interval: intervalOf(differences) }];
  });
}

const resamples = 10_000;

/** The mean's percentile bootstrap interval; the resamples are the same each time. */
function bootstrapOf(values: readonly number[]): Interval | undefined {
  if (values.length < 2) return undefined;
  const random = new Random(0);
  const means = Float64Array.from({ length: resamples }, () =>
    mean(values.map(() => values[random.below(values.length)] as number)),
  ).sort();
  const at = (share: number) => means[Math.round(share * (resamples - 1))] as number;
  return { mean: mean(values), low: at(0.025), high: at(0.975) };
}

/**
 * "l2t-ww is ahead of fm by 1.5 ± 2.1 points over 3 seeds: not settled." The interval and the verdict are Student's t:
 * with a few seeds, a bootstrap interval is too narrow.
 */
export function sentenceOf({ label, differences, mean: difference, interval }: Difference, baseline: string): string {
  const points = (value: number) => (100 * value).toFixed(1);
  const size = points(Math.abs(difference));
  const side = size === '0.0' ? 'level with' : difference < 0 ? 'behind' : 'ahead of';
  const by = `${label} is ${side} ${baseline}${size === '0.0' ? ':' : ' by'} ${size}`;
  if (interval === undefined) return `${by} points with one seed: not settled.`;
  const settled = interval.low > 0 || interval.high < 0 ? 'settled' : 'not settled';
  return `${by} ± ${points((interval.high - interval.low) / 2)} points over ${differences.length} seeds: ${settled}.`;
}
