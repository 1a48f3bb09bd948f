import { L2TError } from '../errors.js';
import { invalidOption } from '../system/failures.js';
import {
  type About,
  aboutField,
  absolutePath,
  changePaths,
  checkOptions,
  type Given,
  isPath,
  refused,
  type Schema,
} from './check.js';
import { checkpointPath } from './sources.js';
import { spelled } from './spelling.js';

/** Calls `read`, which reads a caller's value. If a getter or proxy of it throws, throws INVALID_OPTION instead. */
export function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof L2TError) throw cause;
    throw invalidOption(`${what} cannot be read: its properties throw an error.`, cause);
  }
}

/** An argument that only the API has, not the command line or YAML: its description, and a test for it. */
export interface Control<T> {
  readonly allowed: string;
  readonly is: (value: unknown) => value is T;
  /** Returns the function to call in place of the argument. */
  wrap?(value: T): T;
}

function has(value: unknown, kinds: Readonly<Record<string, string>>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(kinds).every(([key, kind]) => typeof (value as Record<string, unknown>)[key] === kind);
}

export const aFunction = <F extends (...args: never[]) => unknown>(): Control<F> => ({
  allowed: 'a function',
  is: (value): value is F => typeof value === 'function',
});

/** An object that has properties of these types; `kinds` maps each key to its `typeof`. */
export const anObject = <T extends object>(allowed: string, kinds: Record<keyof T & string, string>): Control<T> => ({
  allowed,
  is: (value): value is T => has(value, kinds),
});

/** An AbortSignal. Its class is not tested, because a signal of another realm works as well. */
export const aSignal: Control<AbortSignal> = {
  allowed: 'an AbortSignal',
  is: (value): value is AbortSignal => has(value, { aborted: 'boolean', addEventListener: 'function' }),
};

/** Listeners: for a message; for progress, `done` of `total`; for the number of folder entries looked at so far. */
export const aMessageListener: Control<(message: string) => void> = {
  ...aFunction<(message: string) => void>(),
  wrap: (listener) => (message) => listener(spelled(message)),
};
export const aProgressListener = aFunction<(done: number, total: number) => void>();
export const aListingListener = aFunction<(entries: number) => void>();

type Controls = Readonly<Record<string, Control<unknown>>>;
type Taken<C extends Controls> = { readonly [K in keyof C]?: C[K] extends Control<infer T> ? T : never };

/**
 * Checks the options argument of an API call, which may be any value. Returns the schema's options, with absolute paths,
 * and the controls.
 * @throws L2TError INVALID_OPTION, naming what is wrong and what it must be.
 */
export function takeOptions<S extends Schema, C extends Controls>(
  schema: S,
  argument: unknown,
  controls: C,
): { options: Given<S>; control: Taken<C> } {
  const { options, control } = takeBeforeJoining(schema, argument, controls);
  return { options: options(), control };
}

/**
 * Does the same as `takeOptions`, for a call that joins a group of processes first: an error in the schema's options is
 * thrown only when `options` is called, so that it reaches the other processes.
 */
export function takeBeforeJoining<S extends Schema, C extends Controls>(
  schema: S,
  argument: unknown,
  controls: C,
): { options: () => Given<S>; control: Taken<C> } {
  const { rest, control } = takeControls(argument, controls);
  const options = attempted(() =>
    withPaths(
      schema,
      guarded('The options argument', () => checkOptions(schema, rest)),
      (path, { value }) => (value === 'checkpoint' ? checkpointPath(path) : absolutePath(path)),
    ),
  );
  return { options, control };
}

/** Calls `body` now. Returns a function that gives the result, or throws the error. */
export function attempted<T>(body: () => T): () => T {
  try {
    const result = body();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** Returns the options with each path changed. */
export function withPaths<S extends Schema>(
  schema: S,
  options: Given<S>,
  change: (path: string, about: About) => string,
): Given<S> {
  const located = Object.entries(options).map(([key, value]) => {
    const about = aboutField(schema, key);
    return [key, changePaths(about, value, (path) => change(path, about))];
  });
  return Object.fromEntries(located);
}

/** Splits an API call's options argument into its controls and the rest, unchecked. @throws L2TError INVALID_OPTION. */
function takeControls<C extends Controls>(
  argument: unknown,
  controls: C,
): { rest: Record<string, unknown>; control: Taken<C> } {
  const rest = argument === undefined ? {} : copyOf(argument, 'The options argument', 'an object of options');
  const taken: Record<string, unknown> = {};
  for (const [key, { allowed, is, wrap }] of Object.entries(controls)) {
    const value = rest[key];
    delete rest[key];
    if (value === undefined) continue;
    if (!guarded(`Option ${key}`, () => is(value))) throw refused(`Option ${key}`, value, allowed);
    taken[key] = wrap ? wrap(value) : value;
  }
  return { rest, control: taken as Taken<C> };
}

/** Copies the object's own properties. @throws L2TError INVALID_OPTION if it is no object, or cannot be read. */
function copyOf(value: unknown, what: string, allowed: string): Record<string, unknown> {
  return guarded(what, () => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(what, value, allowed);
    return { ...value };
  });
}

/** Returns a path argument of an API call, made absolute by `locate`. @throws L2TError INVALID_OPTION. */
export function requirePath(value: unknown, what: string, locate = absolutePath): string {
  if (typeof value === 'string' && isPath(value)) return locate(value);
  throw refused(what, value, 'a path');
}
