import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { L2TError } from '../src/errors.js';
import type { RunEvent, RunResult } from '../src/index.js';

/** Results of a call that tests check: its error, a run's events, and the files of its folder. */

/** An L2TError with this code, whose message holds the text or matches. For `toThrow` and `rejects.toThrow`. */
export const refusal = (code: string, message: string | RegExp) =>
  expect.objectContaining({
    name: 'L2TError',
    code,
    message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
  });

/** 'CODE message' of the error of a call or promise; 'nothing' if there is none. */
export async function failureOf(work: PromiseLike<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof work === 'function' ? work() : work);
    return 'nothing';
  } catch (error) {
    return error instanceof L2TError ? `${error.code} ${error.message}` : `no L2TError: ${error}`;
  }
}

type Event = { readonly type: string };
interface Run<E extends Event, R> extends AsyncIterable<E> {
  readonly result: Promise<R>;
}

/** All events of a run, which ends well. */
export async function eventsOf<E extends Event>(run: AsyncIterable<E>): Promise<E[]> {
  const events: E[] = [];
  for await (const event of run) events.push(event);
  return events;
}

export const warningsOf = (events: readonly RunEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));

/** Starts a run and aborts it at the first event that `isMoment` picks. */
export async function abortAt<E extends Event = RunEvent, R = RunResult>(
  start: (signal: AbortSignal) => Run<E, R>,
  isMoment: (event: E) => boolean,
): Promise<void> {
  const controller = new AbortController();
  const run = start(controller.signal);
  for await (const event of run) if (isMoment(event)) controller.abort();
  await expect(run.result).rejects.toMatchObject({ code: 'ABORTED' });
}

const reproducible = ['options.yaml', 'metrics.jsonl', 'last.safetensors', 'best.safetensors', 'state.safetensors'];

/** The files of a run's folder that an interruption must not change. */
export const contentsOf = (run: string, names: readonly string[] = reproducible): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, readFileSync(join(run, name), 'base64')]));
