import { invalidOption } from '../system/failures.js';

/**
 * The events between a run and the one loop that may iterate over it. If the loop is slow, or there is none, the oldest
 * events that `droppable` allows are dropped, so only events that must not be lost can make the queue grow.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  /** Continues the loop that waits for an event. */
  #wake = () => {};
  /** An iterator was made; its next() was called; the iteration has ended. */
  #taken = false;
  #begun = false;
  #over = false;
  /** No event follows. */
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
    if (this.#ended || this.#over) return;
    this.#waiting.push(event);
    if (this.#waiting.length > this.capacity) this.#drop();
    this.#wake();
  }

  /** Drops half of the droppable events at once, so that dropping costs little per step. */
  #drop(): void {
    let surplus = Math.ceil(this.#waiting.filter(this.droppable).length / 2);
    this.#waiting = this.#waiting.filter((event) => !(this.droppable(event) && surplus-- > 0));
  }

  /** Once the waiting events are taken, the iteration ends, or throws `failure`. Returns whether a loop iterates. */
  end(failure?: { readonly error: unknown }): boolean {
    this.#ended = true;
    if (!this.#over) this.#failure = failure;
    this.#wake();
    return this.#begun && !this.#over;
  }

  /** @throws L2TError INVALID_OPTION the second time: two loops would each get a part of the events. */
  [Symbol.asyncIterator](): AsyncIterator<T, void, undefined> {
    if (this.#taken) {
      throw invalidOption('A run can be iterated over once: share the events of the one loop, or await its result.');
    }
    this.#taken = true;
    const events = this.#events();
    return { next: () => events.next(), return: () => this.#leave(events) };
  }

  async *#events(): AsyncGenerator<T, void> {
    this.#begun = true;
    while (!this.#over && !(this.#ended && this.#waiting.length === 0)) {
      if (this.#waiting.length > 0) yield this.#waiting.shift() as T;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#over = true;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  /** The loop was left: the run continues, and its events are discarded. */
  #leave(events: AsyncGenerator<T, void>): Promise<IteratorResult<T, void>> {
    if (this.#failure && this.#begun) this.onLost(this.#failure.error);
    this.#failure = undefined;
    this.#over = true;
    this.#waiting = [];
    this.#wake();
    return events.return();
  }
}
