import * as z from 'zod';
import type { Checkpoint } from './checkpoint.js';
import { L2TError } from './errors.js';
import type { Follow } from './experiment.js';
import { guarded } from './guarded.js';
import { networkNames } from './networks.js';
import { checkOptions, type Given, isPath, refused } from './options.js';
import type { OptionNames } from './weights/match.js';

/** What only the API takes, beside options that the command line and YAML have, too. */
interface Controls {
  readonly signal?: AbortSignal | undefined;
  readonly follow?: Follow | undefined;
  readonly names?: OptionNames | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly onNote?: ((message: string) => void) | undefined;
  readonly onMethod?: ((label: string) => void) | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onListed?: ((entries: number) => void) | undefined;
}
type ControlName = keyof Controls;

type Type = readonly [allowed: string, is: (value: unknown) => boolean];
const aFunction: Type = ['a function', (value) => typeof value === 'function'];
const types: Readonly<Record<ControlName, Type>> = {
  // Not by its class: one of another realm does as well.
  signal: ['an AbortSignal', (value) => has(value, { aborted: 'boolean', addEventListener: 'function' })],
  follow: aFunction,
  names: [
    'an object with the strings network, width and strict',
    (value) => has(value, { network: 'string', width: 'string', strict: 'string' }),
  ],
  onWarning: aFunction,
  onNote: aFunction,
  onMethod: aFunction,
  onProgress: aFunction,
  onListed: aFunction,
};

function has(value: unknown, kinds: Readonly<Record<string, string>>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(kinds).every(([key, kind]) => typeof (value as Record<string, unknown>)[key] === kind);
}

type Schema = z.ZodObject<Record<string, z.ZodType>>;

/**
 * What a caller of the API gave as options, whatever it is: those of the schema, checked, and the controls named here.
 * @throws L2TError INVALID_OPTION, naming what is wrong and what it must be.
 */
export function takeOptions<S extends Schema, K extends ControlName>(
  schema: S,
  given: unknown,
  controls: readonly K[],
): { options: Given<S>; control: Pick<Controls, K> } {
  const own = given === undefined ? {} : copyOf(given, 'The options argument', 'an object of options');
  const taken = controls.flatMap((key) => (own[key] === undefined ? [] : [[key, own[key]] as const]));
  for (const [key, value] of taken) {
    const [allowed, is] = types[key];
    if (!guarded(`Option ${key}`, () => is(value))) throw refused(`Option ${key}`, value, allowed);
  }
  for (const key of controls) delete own[key];
  const options = guarded('The options argument', () => checkOptions(schema, own));
  return { options, control: Object.fromEntries(taken) as Pick<Controls, K> };
}

/** The object's own properties. @throws L2TError INVALID_OPTION where it is none, or cannot be read. */
function copyOf(value: unknown, what: string, allowed: string): Record<string, unknown> {
  return guarded(what, () => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(what, value, allowed);
    return { ...value };
  });
}

/** @throws L2TError INVALID_OPTION. */
export function requirePath(value: unknown, what: string): string {
  if (typeof value === 'string' && isPath(value)) return value;
  throw refused(what, value, 'a path');
}

const three = z.tuple([z.number(), z.number(), z.number()]);
const checkpointSchema = z.object({
  network: z.object({ name: z.enum(networkNames), classes: z.int().min(1), width: z.number() }),
  size: z.int().min(1),
  classNames: z.array(z.string()).optional(),
  normalisation: z.object({ mean: three, std: three }),
  weights: z.array(
    z.object({ name: z.string(), dtype: z.string(), shape: z.array(z.int()), data: z.instanceof(Uint8Array) }),
  ),
});

/** @throws L2TError INVALID_OPTION, naming what is wrong with it. */
export function requireCheckpoint(
  value: unknown,
  allowed = "a checkpoint, such as a run's result.network",
): Checkpoint {
  const parsed = guarded('The checkpoint', () => checkpointSchema.safeParse(value));
  if (parsed.success) return parsed.data as Checkpoint;
  const path = parsed.error.issues[0]?.path.map(String) ?? [];
  if (path.length === 0) throw refused('The checkpoint', value, allowed);
  throw new L2TError('INVALID_OPTION', `The checkpoint's ${path.join('.')} is missing or wrong: give ${allowed}.`);
}
