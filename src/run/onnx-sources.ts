import type { MapsEvent } from '../native/addon.js';
import type { OnnxSession } from '../networks/onnx/session.js';
import { openOnnx, type Source, valuesOf } from '../networks/sources.js';

/** Runs a run's ONNX sources. Batches run one after another, so that results are the same to the bit. */
export class OnnxSources {
  readonly #sessions = new Map<number, OnnxSession>();
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly sources: readonly Pick<Source, 'onnx'>[],
    private readonly threads: number,
  ) {}

  /** Returns a source's values for a batch, as `answer()` of a run takes them; undefined after `close`. */
  run(event: MapsEvent): Promise<Uint8Array | undefined> {
    const result = this.#last.then(() => this.#run(event));
    this.#last = result.catch(() => {});
    return result;
  }

  async #run({ source, images, batch }: MapsEvent): Promise<Uint8Array | undefined> {
    const model = this.sources[source]?.onnx;
    if (this.#closed || model === undefined) return undefined;
    const session = this.#sessions.get(source) ?? (await openOnnx(model, this.threads));
    this.#sessions.set(source, session);
    return valuesOf(await session.run(images, batch));
  }

  /** Waits for the batch that is under way, and releases the memory. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    for (const session of this.#sessions.values()) await session.close();
  }
}
