import type { EpochMetrics } from '../../native/addon.js';
import type { FinishedResult } from '../../store/run-data.js';
import type { SavedEpoch } from '../../store/run-store.js';

/** A log that is being written. Each function has its data on disk when its promise resolves. */
export interface Log {
  /** Adds an epoch. The state that a resume continues from is written after this. */
  epoch(epoch: SavedEpoch): Promise<void>;
  /** The run is finished. After a crash at its very end this may be called again, by the resume. */
  end(result: FinishedResult): Promise<void>;
}

/** A kind of log. Nothing that it does changes the run's result. */
export interface LogKind {
  /**
   * Begins the log of a new run in its folder, or goes on with it after the epochs `done`: what the files have of later
   * epochs must go, since the resumed run does them again.
   * @throws L2TError FILE_ACCESS, as do the log's functions.
   */
  open(folder: string, done: readonly SavedEpoch[]): Promise<Log>;
}

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
