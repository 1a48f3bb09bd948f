import type { EpochMetrics } from '../../native/addon.js';

/**
 * Every number of a line of metrics.jsonl but the epoch, by a name that says where it stands there: `lr`, `losses/org`,
 * `trainAccuracy`; those of a pair end with its source and its features, as in `lambdaMean/0/4-1`. All epochs of a run
 * have the same names, in the same order; those that are not validated lack two.
 */
export function numbersOf({ epoch: _, losses, pairs, ...single }: EpochMetrics): Map<string, number> {
  return new Map([
    ...Object.entries(single),
    ...Object.entries(losses).map(([term, loss]) => [`losses/${term}`, loss] as const),
    ...pairs.flatMap(({ source, pair, ...learned }) =>
      Object.entries(learned).map(([name, value]) => [`${name}/${source}/${pair.join('-')}`, value] as const),
    ),
  ]);
}
