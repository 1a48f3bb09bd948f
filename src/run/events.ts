import type { EpochMetrics, PairMetrics, StepEvent } from '../native/addon.js';
import type { MethodName } from '../options/methods.js';
import type { FoundRate } from '../report/run-files.js';

/** The data folder is being listed: entries so far. Sent only if listing takes longer than half a second. */
export interface ListingEvent {
  readonly type: 'listing';
  readonly entries: number;
}

/** Images decoded so far. */
export interface DataEvent {
  readonly type: 'data';
  readonly done: number;
  readonly total: number;
}

/** A step of the search for the learning rate (`lr: 'auto'`). */
export interface RateEvent {
  readonly type: 'rate';
  /** Rates tried so far; `total` is the most that the search tries. */
  readonly done: number;
  readonly total: number;
  readonly lr: number;
  /** Cross-entropy of the batch before the step at this rate, nats. */
  readonly loss: number;
}

/** A problem that does not stop the run. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly message: string;
}

/** Everything is ready: training begins, or continues after a resume. */
export interface StartEvent {
  readonly type: 'start';
  readonly run: string;
  readonly method: MethodName;
  readonly target: string;
  readonly classes: number;
  /** Which features are matched; `source` counts the sources from 0, in the order in which they were given. */
  readonly pairs: readonly Pick<PairMetrics, 'source' | 'pair'>[];
  readonly images: { readonly train: number; readonly validation: number; readonly test: number };
  /** True if the data has no test images: this run's are then a tenth of each class, held out from training. */
  readonly testDrawn: boolean;
  /**
   * True if the result is the epoch with the best validation accuracy; else it is the last, as with fewer than 400
   * validation images.
   */
  readonly selectBest: boolean;
  readonly device: string;
  /** Why this device, where `auto` chose. */
  readonly reason: string;
  /** What computes there: 'cpu', 'reference' (LibTorch's operations one by one), or 'autograd'. */
  readonly backend: string;
  readonly threads: number;
  readonly epochs: number;
  /** The learning rate that the schedule begins with. */
  readonly lr: number;
  /** How it was found; absent where it was given. */
  readonly rate?: FoundRate;
}

/** The end of an epoch; its files are on disk. */
export interface RunEpochEvent extends EpochMetrics {
  readonly type: 'epoch';
  readonly epochs: number;
  /** On the validation images, in [0, 1]; without any, on the training images, measured during training. */
  readonly accuracy: number;
  /**
   * The best epoch so far; its weights are in best.safetensors. True for every epoch if none is selected (StartEvent).
   */
  readonly best: boolean;
  readonly seconds: number;
}

/** Test images looked at for the report, after the last epoch. */
export interface ReportEvent {
  readonly type: 'report';
  readonly done: number;
  readonly total: number;
}

/** A page that shows the run while it grows (option `live`), until the run ends. */
export interface LiveEvent {
  readonly type: 'live';
  readonly url: string;
}

/** state.safetensors was written: a resume would continue from here. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  readonly path: string;
}

export type RunEvent =
  | ListingEvent
  | DataEvent
  | RateEvent
  | WarningEvent
  | StartEvent
  | StepEvent
  | RunEpochEvent
  | CheckpointEvent
  | ReportEvent
  | LiveEvent;
