import { invalidOption } from '../system/failures.js';
import { type About, defaultOf, type Given, required } from './check.js';
import type { Needs } from './marks.js';
import { isRead, needsOf } from './methods.js';
import { transferSchema } from './schemas.js';

// Checks that the options of a run fit each other.

type GivenOptions = Given<typeof transferSchema>;

/** The options of a run, with their descriptions. */
export const rows: readonly { readonly name: keyof GivenOptions; readonly about: About }[] = (
  Object.keys(transferSchema.shape) as (keyof GivenOptions)[]
).map((name) => ({ name, about: transferSchema.shape[name].meta() as About }));

export const methodIn = ({ method = defaultOf(transferSchema, 'method') }: Pick<GivenOptions, 'method'>) => method;

/** Options that cannot accompany a split file, because it determines the same. */
export const besideSplitFile = ['perClass', 'validation', 'fold'] as const;

/**
 * Checks that the options fit each other, as far as that shows without reading files.
 * @throws L2TError INVALID_OPTION.
 */
export function requireConsistent(options: GivenOptions): void {
  requireUseful(options);
  const other = besideSplitFile.find((key) => options[key] !== undefined);
  if (options.splitFile !== undefined && other !== undefined) {
    throw invalidOption(
      `{${other}} cannot accompany {splitFile}, which names the images by their places in the whole data set.`,
    );
  }
  requireValidation(options, options.validation !== 0);
}

/** The options that a method with these needs does not read. */
export const uselessOptions = (needs: Needs): (keyof GivenOptions)[] =>
  rows.filter(({ name, about }) => !isRead(name, about, needs)).map(({ name }) => name);

/** Refuses options that the method does not read, by name, and the lack of those that it needs. */
function requireUseful(options: GivenOptions): void {
  const method = methodIn(options);
  const needs = needsOf(method);
  const useless = uselessOptions(needs).filter((name) => options[name] !== undefined);
  if (useless.length > 0) {
    const names = useless.map((name) => `{${name}}`).join(', ');
    const hint = needs.start && options.source !== undefined ? ' (It starts from {targetInit}.)' : '';
    throw invalidOption(`Method ${method} has no use for ${names}: leave out what it does not read.${hint}`);
  }
  if (needs.source && !needs.pairs && [options.source].flat().length > 1) {
    throw invalidOption(`Method ${method} learns from one source: give {source} once.`);
  }
  if (!needs.start) return;
  required(transferSchema, options, 'targetInit');
  if ([options.sourceLicence].flat().length > 1) {
    throw invalidOption(`Method ${method} starts from one network: give {sourceLicence} once.`);
  }
}

type Validation = Pick<GivenOptions, 'evalEvery' | 'patience' | 'validation' | 'splitFile'>;

/** Refuses options that are about validation where there are no validation images. */
export function requireValidation(options: Validation, validates: boolean): void {
  const usual = { patience: undefined, evalEvery: 1 } as const;
  const [first] = (['patience', 'evalEvery'] as const).filter((key) => (options[key] ?? usual[key]) !== usual[key]);
  if (first === undefined || validates) return;
  const none = holdsNone(options);
  const advice =
    options.splitFile === undefined
      ? 'hold some out with {validation=0.1}'
      : 'name some in the list validation of {splitFile}';
  throw invalidOption(
    `{${first}} needs validation images, and ${none ?? `this run has none: ${advice}`}, or leave {${first}} out.`,
  );
}

/** Returns a warning (or none) if the person wants validation images, and there are none. */
export const validationWarning = (options: Validation, validates: boolean): string | undefined =>
  validates ? undefined : holdsNone(options);

/** Returns why `validation`, if it is above 0, holds out no image: it is less than one of each class. */
const holdsNone = ({ validation }: Validation): string | undefined =>
  validation === undefined || validation === 0
    ? undefined
    : `{validation=${validation}} holds out no image, because no class has so many: give a whole number of images a class, such as {validation=1}`;

/** Refuses options that the device or the engine cannot compute, or not in several processes. */
export function requireComputable(
  {
    convolution = 'auto',
    engine = 'native',
    precision = 'float32',
  }: Pick<GivenOptions, 'convolution' | 'engine' | 'precision'>,
  device: string,
  ranks: number,
): void {
  if (ranks > 1 && (engine === 'autograd' || precision === 'bf16')) {
    const which = engine === 'autograd' ? '{engine=autograd}' : '{precision=bf16}';
    throw invalidOption(
      `${which} computes in one process, and this run has ${ranks}: leave it out, or compute in one process (on the command line: --no-group).`,
    );
  }
  const onCpu = device === 'cpu';
  if (convolution === 'winograd' && !(engine === 'native' && onCpu)) {
    throw invalidOption(
      "{convolution=winograd} is the native engine's on a CPU: use {engine=native} and {device=cpu}, or {convolution=auto}.",
    );
  }
  if (precision !== 'float32' && onCpu) {
    throw invalidOption(
      `{precision=${precision}} is a GPU's, and this run is on the CPU, which computes in float32: leave it out.`,
    );
  }
  if (precision === 'bf16' && !(engine === 'native' && convolution === 'auto')) {
    throw invalidOption("{precision=bf16} is the native engine's: use {engine=native} and {convolution=auto}.");
  }
}
