import { L2TError } from '../errors.js';
import type { TopAccuracy } from '../inference/logits.js';
import type { Checkpoint } from '../networks/checkpoint.js';
import { aSignal, takeBeforeJoining } from '../options/arguments.js';
import { absolutePath, type Given, type Schema } from '../options/check.js';
import type { MethodName } from '../options/methods.js';
import { spelled } from '../options/spelling.js';
import { aGroup, type GroupOptions } from '../ranks/options.js';
import { Ranks } from '../ranks/ranks.js';
import type { Learned } from '../report/learned.js';
import type { RunRecord } from '../store/record.js';
import type { FinetunedSource } from '../store/run-data.js';
import type { RunStore } from '../store/run-store.js';
import { limitError } from '../system/limits.js';
import { printable } from '../system/printable.js';
import { EventQueue } from './event-queue.js';
import type { RunEvent } from './events.js';

/** Options that only the API has. */
export interface RunControl {
  /** Ends the run at the next step, with everything saved. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Computes the run together with other processes, each of which makes the same call but for `rank`, `device` and
   * `threads` (docs/scale.md). Rank 0 writes the run folder and has the events; the others' `result` has the same numbers.
   */
  readonly group?: GroupOptions | undefined;
}

/** The result of a finished run. */
export interface RunResult {
  /** The target with the weights of epoch `best.epoch`. */
  readonly network: Checkpoint;
  /** The file with this network: best.safetensors in the run folder. */
  readonly checkpoint: string;
  /** Test accuracy, in [0, 1]. `accuracy`, `correct` and `total` are null if a split file names no test images. */
  readonly accuracy: number | null;
  /** Number of test images that are classified correctly. */
  readonly correct: number | null;
  /** Number of test images. */
  readonly total: number | null;
  /** Number of damaged test images that were left out (`skipDamaged`); `total` does not count them. */
  readonly skipped: number;
  /** Top-5 accuracy on the test images; null without any, and with five classes or fewer. */
  readonly topK: TopAccuracy | null;
  /** The epoch of the result. */
  readonly best: {
    /** Index of the epoch, from 0. */
    readonly epoch: number;
    /** Its validation accuracy, in [0, 1]; null without validation images. */
    readonly accuracy: number | null;
    /**
     * True: it is the first epoch with the best validation accuracy, as with `patience`, or with at least 400 validation
     * images. False: it is the last epoch.
     */
    readonly selected: boolean;
  };
  /** Number of epochs trained. */
  readonly epochs: number;
  /** True if `patience` ended the run before its last epoch. */
  readonly endedEarly: boolean;
  /** The fine-tuned sources, in their order; empty without `sourceFinetune`. */
  readonly finetuned: readonly FinetunedSource[];
  /** Summary of w and λ in the last epoch; null if the method has no meta-networks. */
  readonly learned: Learned | null;
  /** The method. */
  readonly method: MethodName;
  /** The learning rate that its schedule began with. */
  readonly lr: number;
  /** The absolute path of the run folder. */
  readonly run: string;
  /** The report, one HTML file in the run folder; null if there is none. */
  readonly report: string | null;
  /** Seconds of training and validation, without loading data. */
  readonly seconds: number;
  /** The steps done in these seconds: all steps of the run, except those of an unfinished epoch before a resume. */
  readonly steps: number;
}

/**
 * A run that trains on a thread of its own. Iterating over its events is optional: `step`, `rate`, `data`, `listing`
 * and `report` events that are not taken are dropped, oldest first; the others never are. Only one loop may iterate,
 * once; if it is left early, the run continues.
 *
 * A failure rejects `result`, and the iteration throws it. An abort rejects `result` with ABORTED after everything is
 * saved, and ends the iteration. If the caller neither iterates nor awaits `result`, a failure is an unhandled
 * rejection; an abort, for which the caller asked, is not.
 */
export class Run<Event extends RunEvent = RunEvent, Result = RunResult> implements AsyncIterable<Event> {
  readonly #result: Promise<Result>;
  readonly #events = new EventQueue<Event>(isDroppable, (error) => this.#lost(error));
  /** True once the caller has read `result`. */
  #asked = false;

  /** @internal */
  constructor(body: (emit: (event: Event) => void) => Promise<Result>) {
    this.#result = body((event) => this.#events.push(spelledEvent(event))).then(
      (result) => {
        this.#events.end();
        return result;
      },
      (thrown: unknown) => {
        const error = limitError(thrown) ?? thrown;
        forgetFrames(error);
        const aborted = error instanceof L2TError && error.code === 'ABORTED';
        // A caller that iterates, or that aborted the run, need not await `result`, too.
        if (this.#events.end(aborted ? undefined : { error }) || aborted) this.#result.catch(() => {});
        throw error;
      },
    );
  }

  /** The result, once the run has ended. Rejected if it fails, or with ABORTED. */
  get result(): Promise<Result> {
    this.#asked = true;
    return this.#result;
  }

  /** @throws L2TError INVALID_OPTION the second time. */
  [Symbol.asyncIterator](): AsyncIterator<Event, void, undefined> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** Rejects with a failure that the loop, left early, did not throw, unless the caller reads `result` just after. */
  #lost(error: unknown): void {
    setImmediate(() => {
      if (!this.#asked) void Promise.reject(error);
    });
  }
}

const isDroppable = (event: RunEvent): boolean =>
  event.type === 'source'
    ? isDroppable(event.event)
    : ['step', 'data', 'rate', 'listing', 'report'].includes(event.type);

/** Spells the options in an event's message; other events stay as they are. */
const spelledEvent = <Event extends RunEvent>(event: Event): Event =>
  event.type === 'warning' || event.type === 'note' ? { ...event, message: spelled(event.message) } : event;

/**
 * Reads the stacks of an error and its causes: until then, they keep their frames' objects alive, such as all images.
 */
function forgetFrames(error: unknown): void {
  const seen = new Set<unknown>();
  for (let each = error; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    void each.stack;
  }
}

/** The processes, the signal and the listeners of a run. */
export interface RunContext {
  /** The processes that compute it. */
  readonly ranks: Ranks;
  readonly signal: AbortSignal | undefined;
  /** Parent folder of the run's folder if none is named. */
  readonly runs: string;
  /** Emits an event on rank 0; does nothing on other ranks. */
  emit(event: RunEvent): void;
  warn(message: string): void;
  note(message: string): void;
}

/** A run in progress. Ranks other than 0 know its record, but need not see its folder. */
export interface OpenRun {
  /** Path of the folder, on rank 0's host. */
  readonly path: string;
  readonly record: RunRecord;
  /** Undefined on ranks other than 0. */
  readonly store: RunStore | undefined;
}

/** Starts a run on the ranks of `argument`, the API call's options, which may be any value. */
export function newRun<S extends Schema>(
  schema: S,
  argument: RunControl | undefined,
  body: (options: Given<S>, context: RunContext) => Promise<RunResult>,
): Run {
  return new Run(async (emitted) => {
    const { options, control } = takeBeforeJoining(schema, argument, { signal: aSignal, group: aGroup });
    const runs = absolutePath('runs');
    const { signal } = control;
    return Ranks.use(control.group, signal, (ranks) => {
      const emit = ranks.first ? emitted : () => {};
      const warn = (message: string) => emit({ type: 'warning', message: printable(message) });
      const note = (message: string) => emit({ type: 'note', message: printable(message) });
      return body(options(), { ranks, signal, runs, emit, warn, note });
    });
  });
}
