import { L2TError } from '../errors.js';

/** A `next()` that waits for an event. */
interface Taker<T> {
  readonly resolve: (result: IteratorResult<T, void>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Events between a run and the one loop that may iterate over it. Where the consumer lags, or nobody iterates, the oldest of
 * those that `droppable` allows go first, so that the queue stays bounded by what may never be lost.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #takers: Taker<T>[] = [];
  /** `new`: nobody iterates yet; `over`: nobody will again. */
  #iteration: 'new' | 'made' | 'begun' | 'over' = 'new';
  #ended = false;
  /** Not thrown yet. */
  #failure: { readonly error: unknown } | undefined;

  /** `onLost` gets a failure that `end` said would be thrown, but the loop was left before. */
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

  /** Half of the droppable ones at once, so that dropping costs little a step. */
  #drop(): void {
    let surplus = Math.ceil(this.#waiting.filter(this.droppable).length / 2);
    this.#waiting = this.#waiting.filter((event) => !(this.droppable(event) && surplus-- > 0));
  }

  /** After what waits has been taken, iteration ends, or throws `failure`. Returns whether somebody iterates. */
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

  /** The loop was left: the run goes on, and its events go nowhere. */
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
