import { L2TError } from '../errors.js';

/** There is one listener per signal, because Node warns of a leak when a signal has more than ten. */
const listening = new WeakMap<AbortSignal, { readonly stops: Set<() => void>; readonly stopAll: () => void }>();

/**
 * Calls `stop` when the signal fires. Returns a function that unsubscribes, so that a long-lived signal keeps no
 * reference to `stop`. Each call must pass a different function.
 */
export function onAbort(signal: AbortSignal | undefined, stop: () => void): () => void {
  if (signal === undefined) return () => {};
  const { stops, stopAll } = listening.get(signal) ?? listen(signal);
  stops.add(stop);
  return () => {
    stops.delete(stop);
    if (stops.size > 0) return;
    signal.removeEventListener('abort', stopAll);
    listening.delete(signal);
  };
}

function listen(signal: AbortSignal) {
  const stops = new Set<() => void>();
  const stopAll = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener('abort', stopAll);
  listening.set(signal, { stops, stopAll });
  return { stops, stopAll };
}

/** Throws L2TError ABORTED if the signal has fired; the message says that `what` was interrupted. */
export function throwIfAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new L2TError('ABORTED', `${what} was interrupted.`, { cause: signal.reason });
}
