import { memoryOfRun, type RunNeeds } from '../options/cost.js';
import { availableCores } from '../system/threads.js';

/** How many equal runs a CPU can take in parallel, with `threads` cores and enough memory for each; at least one. */
export function lanesFor(
  needs: RunNeeds,
  { cores = availableCores(), memory = process.availableMemory() }: { cores?: number; memory?: number } = {},
): number {
  return Math.max(1, Math.floor(Math.min(cores / needs.threads, memory / memoryOfRun(needs))));
}

/**
 * Calls `body` for each item in order, `lanes` at a time. After a failure nothing new starts, and the signal of those
 * under way fires; the first failure is thrown once all have ended.
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
