import type { EpochEvent, EpochMetrics, PairMetrics, SaveEvent, StepEvent } from '../native/addon.js';
import type { MethodName } from '../options/methods.js';
import type { FoundRate } from '../store/run-data.js';

/** The field by which events are told apart. */
interface Typed<Type extends string> {
  /** The kind of event. */
  readonly type: Type;
}

/** The data folder is being listed: entries so far. Sent only if listing takes longer than half a second. */
export interface ListingEvent extends Typed<'listing'> {
  /** Files and folders looked at so far. */
  readonly entries: number;
}

/** Images decoded so far. */
export interface DataEvent extends Typed<'data'> {
  /** Images decoded. */
  readonly done: number;
  /** Images to decode. */
  readonly total: number;
}

/** A step of the search for the learning rate (`lr: 'auto'`). */
export interface RateEvent extends Typed<'rate'> {
  /** Rates tried so far. */
  readonly done: number;
  /** The maximum number of rates. */
  readonly total: number;
  /** The rate of this step. */
  readonly lr: number;
  /** Cross-entropy of the batch before the step at this rate, nats. */
  readonly loss: number;
}

/** A problem that does not stop the run. */
export interface WarningEvent extends Typed<'warning'> {
  /** The problem, and what to do about it. */
  readonly message: string;
}

/** A fact that was found about the given files. */
export interface NoteEvent extends Typed<'note'> {
  /** One sentence. */
  readonly message: string;
}

/**
 * With at least this many validation images, the result is the epoch with the best accuracy on them; else the last. The
 * standard error of an accuracy is then at most √(0.25 / 400) = 2.5 percentage points, and every validation set of the
 * paper's full data sets has that many images. With fewer, the best of many epochs is mostly luck.
 */
export const enoughToSelect = 400;

/** Everything is ready: training begins, or continues after a resume. */
export interface StartEvent extends Typed<'start'> {
  /** The run folder. */
  readonly run: string;
  /** The method. */
  readonly method: MethodName;
  /** The target's network. */
  readonly target: string;
  /** Number of classes of the data. */
  readonly classes: number;
  /** The pairs of features that are matched; `source` counts the sources from 0, in the order of the option. */
  readonly pairs: readonly Pick<PairMetrics, 'source' | 'pair'>[];
  /** Number of images of each kind. */
  readonly images: {
    /** Training images. */
    readonly train: number;
    /** Images without labels; each step sees as many as labelled ones. Absent if there are none. */
    readonly unlabelled?: number | undefined;
    /** Validation images, held out or the data set's own; 0: no validation. */
    readonly validation: number;
    /** Test images, evaluated once, at the end. */
    readonly test: number;
  };
  /** True if the data has no test images: a tenth of each class is then held out from training as test images. */
  readonly testDrawn: boolean;
  /**
   * True if the result is the epoch with the best validation accuracy; else it is the last, as with fewer than 400
   * validation images and no `patience`.
   */
  readonly selectBest: boolean;
  /** The device that computes: cpu, cuda:0, … */
  readonly device: string;
  /** The reason for this device if `auto` chose it. */
  readonly reason: string;
  /** The backend: 'cpu', 'cuda', 'reference' (LibTorch's operations one by one), or 'autograd'. */
  readonly backend: string;
  /** CPU threads. */
  readonly threads: number;
  /** Epochs of the whole run. */
  readonly epochs: number;
  /** The learning rate that the schedule begins with. */
  readonly lr: number;
  /** How `lr` was found; absent if it was given. */
  readonly rate?: FoundRate;
  /** The learning rate of the meta-networks; absent if the method trains none. */
  readonly metaLr?: number;
}

/** The end of an epoch; its files are on disk. */
export interface RunEpochEvent extends EpochMetrics, Typed<'epoch'> {
  /** Epochs of the whole run. */
  readonly epochs: number;
  /**
   * Accuracy on the validation images, in [0, 1]; without any, and in an epoch that is not validated, on the training
   * images, measured during training.
   */
  readonly accuracy: number;
  /**
   * True for the best epoch so far, whose weights are in best.safetensors; for every epoch if none is selected
   * (StartEvent).
   */
  readonly best: boolean;
  /** Seconds of training and validation in this epoch. */
  readonly seconds: number;
}

/** Test images looked at for the report, after the last epoch. */
export interface ReportEvent extends Typed<'report'> {
  /** Test images looked at so far. */
  readonly done: number;
  /** All test images. */
  readonly total: number;
}

/** state.safetensors was written: a resume would continue from here. */
export interface CheckpointEvent extends Typed<'checkpoint'> {
  /** The file. */
  readonly path: string;
}

/**
 * An event of the run that fine-tunes a source first (`sourceFinetune`). Its warnings and notes are the whole run's.
 */
export interface SourceEvent extends Typed<'source'> {
  /** Index of the source, from 0. */
  readonly source: number;
  /** Number of sources. */
  readonly sources: number;
  /** The event of that run. */
  readonly event: RunEvent;
}

/** The events over which a run iterates. */
export type RunEvent =
  | SourceEvent
  | ListingEvent
  | DataEvent
  | RateEvent
  | WarningEvent
  | NoteEvent
  | StartEvent
  | StepEvent
  | RunEpochEvent
  | CheckpointEvent
  | ReportEvent;

/** Receives the events of a native run. */
export interface RunListener {
  /** `stop` ends the run after the current step. */
  step(event: StepEvent, stop: () => void): void;
  /** The run waits until this is done; if it rejects, the run ends and rejects with the same error. */
  save(event: EpochEvent | SaveEvent): Promise<void>;
}
