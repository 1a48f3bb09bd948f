import { L2TError } from '../errors.js';
import type { Checkpoint } from '../networks/checkpoint.js';
import type { MethodName } from '../options/methods.js';
import { limitError } from '../system/limits.js';
import { EventQueue } from './event-queue.js';
import type { RunEvent } from './events.js';

/** What only the API takes. */
export interface RunControl {
  /** Ends the run at the next step, with everything saved. */
  readonly signal?: AbortSignal | undefined;
}

export interface RunResult {
  /** The target with the weights of epoch `best.epoch`. */
  readonly network: Checkpoint;
  /** The file with this network: best.safetensors in the run folder. */
  readonly checkpoint: string;
  /** On the test images, in [0, 1]; null where a split file names none, and so are `correct` and `total`. */
  readonly accuracy: number | null;
  readonly correct: number | null;
  readonly total: number | null;
  /**
   * The epoch of the result, and its validation accuracy, null without validation images. `selected`: it is the first with
   * the best validation accuracy, which takes at least 400 validation images; else it is the last.
   */
  readonly best: { readonly epoch: number; readonly accuracy: number | null; readonly selected: boolean };
  readonly method: MethodName;
  /** The learning rate that its schedule began with. */
  readonly lr: number;
  /** The run folder. */
  readonly run: string;
  /** Training and validation, without loading data. */
  readonly seconds: number;
  /** The steps that these seconds were for: all of the run, without those of an epoch that a resume found begun. */
  readonly steps: number;
}

/**
 * A run that trains on a thread of its own. Iterating is optional: `step`, `rate`, `data` and `listing` events are dropped, oldest
 * first, where nobody takes them, the others never. One loop may iterate, once; where it is left early, the run goes on.
 *
 * A failure rejects `result` and is thrown by the iteration; an abort rejects `result` with ABORTED, after all is saved, and
 * ends the iteration. Where nobody iterates and nobody awaits `result`, either is an unhandled rejection.
 */
export class Run implements AsyncIterable<RunEvent> {
  readonly #result: Promise<RunResult>;
  readonly #events = new EventQueue<RunEvent>(
    ({ type }) => ['step', 'data', 'rate', 'listing'].includes(type),
    (error) => this.#lost(error),
  );
  /** Has anybody asked for `result`? */
  #asked = false;

  /** @internal */
  constructor(body: (emit: (event: RunEvent) => void) => Promise<RunResult>) {
    this.#result = body((event) => this.#events.push(event)).then(
      (result) => {
        this.#events.end();
        return result;
      },
      (thrown: unknown) => {
        const error = limitError(thrown) ?? thrown;
        forgetFrames(error);
        const aborted = error instanceof L2TError && error.code === 'ABORTED';
        // Whoever iterates need not await the result, too.
        if (this.#events.end(aborted ? undefined : { error })) this.#result.catch(() => {});
        throw error;
      },
    );
  }

  get result(): Promise<RunResult> {
    this.#asked = true;
    return this.#result;
  }

  /** @throws L2TError INVALID_OPTION the second time. */
  [Symbol.asyncIterator](): AsyncIterator<RunEvent, void, undefined> {
    return this.#events[Symbol.asyncIterator]();
  }

  /** A failure that the loop would have thrown, had it not been left. `result` may still be asked for just after. */
  #lost(error: unknown): void {
    setImmediate(() => {
      if (!this.#asked) void Promise.reject(error);
    });
  }
}

/** Until its stack is read, an error holds what its frames worked on, such as all images of the run. */
function forgetFrames(error: unknown): void {
  const seen = new Set<unknown>();
  for (let each = error; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    void each.stack;
  }
}
