import type { RunSpec } from '../../options/spec.js';
import type { SavedEpoch } from '../../store/run-store.js';

/** The run that a log is about. */
export interface LoggedRun {
  /** The run folder, where the log's files lie. */
  readonly folder: string;
  readonly options: RunSpec;
  /** The learning rate with which the schedule begins: the given one, or the one that was found. */
  readonly lr: number;
}

/** What a finished run is logged with. */
export interface LoggedResult {
  /** On the test images, in [0, 1]; null without any. */
  readonly accuracy: number | null;
  /** The epoch whose weights were tested. */
  readonly best: { readonly epoch: number };
}

/** A log that is being written. Each function has its data on disk when its promise resolves. */
export interface Log {
  /** Adds an epoch. The state that a resume continues from is written after this. */
  epoch(epoch: SavedEpoch): Promise<void>;
  /** The run is finished. After a crash at its very end this may be called again, by the resume. */
  end(result: LoggedResult): Promise<void>;
}

/** A kind of log. Nothing that it does changes the run's result. */
export interface LogKind {
  /**
   * Begins the log of a new run, or goes on with it after the epochs `done`: what the files have of later epochs must
   * go, since the resumed run does them again.
   * @throws L2TError FILE_ACCESS, as do the log's functions.
   */
  open(run: LoggedRun, done: readonly SavedEpoch[]): Promise<Log>;
}
