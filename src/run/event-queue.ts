import { L2TError } from '../errors.js';

/** A call of `next()` that waits for an event. */
interface Taker<T> {
  readonly resolve: (result: IteratorResult<T, void>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The events between a run and the one loop that may iterate over it. If the loop is slow, or there is none, the oldest
 * events that `droppable` allows are dropped, so only events that must not be lost can make the queue grow.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #takers: Taker<T>[] = [];
  /** `new`: no iterator yet; `made`: there is one; `begun`: its next() was called; `over`: the iteration has ended. */
  #iteration: 'new' | 'made' | 'begun' | 'over' = 'new';
  #ended = false;
  /** The failure that the loop has yet to throw. */
  #failure: { readonly error: unknown } | undefined;

  /** `onLost` receives the failure if `end` returned true, but the loop was left before it threw the failure. */
  constructor(
    private readonly droppable: (event: T) => boolean,
    private readonly onLost: (error: unknown) => void = () => {},
    private readonly capacity = 1000,
  ) {}

  push(event: T): void {
    if (this.#ended || this.#iteration === 'over') return;
    const taker = this.#takers.shift();
    if (taker) taker.resolve({ done: false, value: event });
    else this.#waiting.push(event);
    if (this.#waiting.length > this.capacity) this.#drop();
  }

  /** Drops half of the droppable events at once, so that dropping costs little per step. */
  #drop(): void {
    let surplus = Math.ceil(this.#waiting.filter(this.droppable).length / 2);
    this.#waiting = this.#waiting.filter((event) => !(this.droppable(event) && surplus-- > 0));
  }

  /** Once the waiting events are taken, the iteration ends, or throws `failure`. Returns whether a loop iterates. */
  end(failure?: { readonly error: unknown }): boolean {
    const heard = this.#iteration === 'begun';
    this.#ended = true;
    if (this.#iteration !== 'over') this.#failure = failure;
    for (const taker of this.#takers.splice(0)) this.#next().then(taker.resolve, taker.reject);
    return heard;
  }

  /** @throws L2TError INVALID_OPTION the second time: two loops would each get a part of the events. */
  [Symbol.asyncIterator](): AsyncIterator<T, void, undefined> {
    if (this.#iteration !== 'new') {
      const message = 'A run can be iterated over once: share the events of the one loop, or await its result.';
      throw new L2TError('INVALID_OPTION', message);
    }
    this.#iteration = 'made';
    return { next: () => this.#next(), return: () => this.#leave() };
  }

  async #next(): Promise<IteratorResult<T, void>> {
    if (this.#iteration === 'over') return { done: true, value: undefined };
    this.#iteration = 'begun';
    if (this.#waiting.length > 0) return { done: false, value: this.#waiting.shift() as T };
    if (!this.#ended) return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
    this.#iteration = 'over';
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return { done: true, value: undefined };
  }

  /** The loop was left: the run continues, and its events are discarded. */
  async #leave(): Promise<IteratorResult<T, void>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure && this.#iteration === 'begun') this.onLost(failure.error);
    this.#iteration = 'over';
    this.#waiting = [];
    for (const { resolve } of this.#takers.splice(0)) resolve({ done: true, value: undefined });
    return { done: true, value: undefined };
  }
}
