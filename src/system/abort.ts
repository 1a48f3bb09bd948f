import { L2TError } from '../errors.js';

interface Listening {
  readonly stops: Set<() => void>;
  readonly stopAll: () => void;
}

/** One listener a signal: Node warns of a leak where a signal has more than ten. */
const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Calls `stop` when the signal fires. Returns how to take that back, after which a long-lived signal holds nothing of it.
 * Each `stop` is a function of its own.
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

function listen(signal: AbortSignal): Listening {
  const stops = new Set<() => void>();
  const stopAll = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener('abort', stopAll);
  const entry = { stops, stopAll };
  listening.set(signal, entry);
  return entry;
}

/** Throws L2TError ABORTED once the signal has fired; `what` is what the message says was interrupted. */
export function throwIfAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new L2TError('ABORTED', `${what} was interrupted.`, { cause: signal.reason });
}
