import { availableCores } from './threads.js';

/** What a run is known by before it begins: threads, images a step, their side in pixels, the target's width, T. */
export interface RunNeeds {
  readonly threads: number;
  readonly batch: number;
  readonly size: number;
  readonly width: number;
  readonly innerSteps: number;
}

/**
 * Bytes of memory that a run is counted with: 10 KiB a pixel of the batch, which an iteration of L2T-ww takes at 32×32 with
 * T = 2, 2 more for each further step (bench/README.md; less than half of it at 224×224 or by the other methods), and 1 GiB
 * for images and weights.
 */
export const memoryOfRun = ({ batch, size, width, innerSteps }: RunNeeds): number =>
  2 ** 30 + batch * size ** 2 * Math.max(1, width) * (10 + 2 * (innerSteps - 2)) * 2 ** 10;

/** How many equal runs a CPU takes side by side: as many as get `threads` cores each, and memory; at least one. */
export function lanesFor(
  needs: RunNeeds,
  { cores = availableCores(), memory = process.availableMemory() }: { cores?: number; memory?: number } = {},
): number {
  return Math.max(1, Math.floor(Math.min(cores / needs.threads, memory / memoryOfRun(needs))));
}

/**
 * `body` for each item in order of start, `lanes` under way at once. After a failure nothing new starts and the signal that
 * the others were given fires; the first failure is thrown once all have ended.
 */
export async function sideBySide<T>(
  lanes: number,
  items: readonly T[],
  signal: AbortSignal | undefined,
  body: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const stopped = AbortSignal.any(signal ? [signal, stop.signal] : [stop.signal]);
  const failures: unknown[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length && failures.length === 0) {
      await body(items[next++] as T, stopped).catch((error: unknown) => {
        failures.push(error);
        stop.abort();
      });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (failures.length > 0) throw failures[0];
}
