import type { EpochMetrics, PairMetrics, StepEvent } from '../native/addon.js';
import type { MethodName } from '../options/methods.js';
import type { FoundRate } from '../report/run-files.js';

/** The data folder is being listed: entries looked at so far. Only where that takes longer than half a second. */
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

/** A step of the search for the learning rate, where it is to be found. */
export interface RateEvent {
  readonly type: 'rate';
  /** Rates tried so far, and at most. */
  readonly done: number;
  readonly total: number;
  readonly lr: number;
  /** Cross-entropy of the batch before the step at this rate, nats. */
  readonly loss: number;
}

/** Something that does not stop the run but should be known. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly message: string;
}

/** All is ready: training begins, or goes on at `epoch`. */
export interface StartEvent {
  readonly type: 'start';
  readonly run: string;
  readonly method: MethodName;
  readonly target: string;
  readonly classes: number;
  /** Which features are matched; `source` counts the sources from 0, in the order in which they were given. */
  readonly pairs: readonly Pick<PairMetrics, 'source' | 'pair'>[];
  readonly images: { readonly train: number; readonly validation: number; readonly test: number };
  /** The data has no test images: those of this run are a tenth of each class, kept from training. */
  readonly testDrawn: boolean;
  /** The result will be the epoch with the best validation accuracy; else the last, as with fewer than 400 validation images. */
  readonly selectBest: boolean;
  readonly device: string;
  /** Why this device, where `auto` chose. */
  readonly reason: string;
  readonly threads: number;
  readonly epochs: number;
  /** The learning rate that the schedule begins with. */
  readonly lr: number;
  /** How it was found; absent where it was given. */
  readonly rate?: FoundRate;
}

/** An epoch's end; its files are on disk. */
export interface RunEpochEvent extends EpochMetrics {
  readonly type: 'epoch';
  readonly epochs: number;
  /** On the validation images, in [0, 1]; where there are none, on the training images as they were trained on. */
  readonly accuracy: number;
  /** The best epoch so far; where none is selected (StartEvent), each is in its turn. Its weights are in best.safetensors. */
  readonly best: boolean;
  readonly seconds: number;
}

/** state.safetensors was written: a resume would go on from here. */
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
  | CheckpointEvent;
