/**
 * Events between a run and whoever iterates over it. Where the consumer lags, or nobody iterates, the oldest of those
 * that `droppable` allows go first, so that the queue stays bounded by what may never be lost.
 */
export class EventQueue<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(
    private readonly droppable: (event: T) => boolean,
    private readonly capacity = 1000,
  ) {}

  push(event: T): void {
    if (this.#ended) return;
    this.#waiting.push(event);
    if (this.#waiting.length > this.capacity) this.#drop();
    this.#wake?.();
  }

  /** Half of the droppable ones at once, so that dropping costs little a step. */
  #drop(): void {
    let surplus = Math.ceil(this.#waiting.filter(this.droppable).length / 2);
    this.#waiting = this.#waiting.filter((event) => !(this.droppable(event) && surplus-- > 0));
  }

  /** After what waits has been taken, iteration ends, or throws `failure`. */
  end(failure?: { readonly error: unknown }): void {
    this.#ended = true;
    this.#failure = failure;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event !== undefined) yield event;
      else if (this.#failure) throw this.#failure.error;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
