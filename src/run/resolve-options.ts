import { resolve as absolute } from 'node:path';
import { L2TError } from '../errors.js';
import { defaultOf, flagOf, type Given, required } from '../options/check.js';
import { type MethodName, needsOf, settingsOf, uselessOptions } from '../options/methods.js';
import { defaultSize, type NetworkName } from '../options/networks.js';
import type { ResolvedOptions, ResolvedSource } from '../options/run-record.js';
import { transferSchema } from '../options/schemas.js';

export type Options = Omit<Given<typeof transferSchema>, 'target'>;

/**
 * Checks that the options fit each other, as far as that shows without reading files.
 * @throws L2TError INVALID_OPTION.
 */
export function requireConsistent(method: MethodName, given: Options): void {
  requireFitting(method, given);
  requireOneSplit(given);
  requireValidation(given, given.validation !== 0);
}

type Validation = Pick<Options, 'evalEvery' | 'patience' | 'validation' | 'splitFile'>;

/** Refuses options that are about validation where there are no validation images. */
export function requireValidation(options: Validation, validates: boolean): void {
  const [first] = (['patience', 'evalEvery'] as const).filter((key) => options[key] !== undefined);
  if (first === undefined || validates) return;
  const none = holdsNone(options);
  const advice =
    options.splitFile === undefined
      ? 'hold some out with --validation 0.1'
      : 'name some in the list validation of --split-file';
  throw new L2TError(
    'INVALID_OPTION',
    `${flagOf(first)} needs validation images, and ${none ?? `this run has none: ${advice}`}, or leave ${flagOf(first)} out.`,
  );
}

/** A warning (or none) if the person wants validation images, and there are none. */
export const validationWarning = (options: Validation, validates: boolean): string | undefined =>
  validates ? undefined : holdsNone(options);

/** Of a fraction that is less than one image of each class. */
const holdsNone = ({ validation }: Validation): string | undefined =>
  validation === undefined || validation === 0
    ? undefined
    : `--validation ${validation} holds out no image, because no class has so many: give a whole number of images a class, such as --validation 1`;

/** Refuses options that the method does not read, by name, and the lack of those that it needs. */
function requireFitting(method: MethodName, given: Options): void {
  const useless = uselessOptions(needsOf(method)).filter((key) => given[key] !== undefined);
  if (useless.length > 0) {
    const flags = useless.map(flagOf).join(', ');
    const hint = needsOf(method).start && useless.includes('source') ? ' (It starts from --target-init.)' : '';
    throw new L2TError(
      'INVALID_OPTION',
      `Method ${method} has no use for ${flags}: leave out what it does not read.${hint}`,
    );
  }
  const { source, pairs, start } = needsOf(method);
  if (source && !pairs && [given.source].flat().length > 1) {
    throw new L2TError('INVALID_OPTION', `Method ${method} learns from one source: give --source once.`);
  }
  if (!start) return;
  required(transferSchema, given, 'targetInit');
  if ([given.sourceLicence].flat().length > 1) {
    throw new L2TError('INVALID_OPTION', `Method ${method} starts from one network: give --source-licence once.`);
  }
}

/** Options that cannot accompany a split file, because it determines the same. */
export const besideSplitFile = ['perClass', 'validation', 'fold'] as const;

function requireOneSplit(given: Options): void {
  const other = besideSplitFile.find((key) => given[key] !== undefined);
  if (given.splitFile !== undefined && other !== undefined) {
    throw new L2TError(
      'INVALID_OPTION',
      `${flagOf(other)} cannot accompany --split-file, which names the images by their places in the whole data set.`,
    );
  }
}

/** Refuses what the device or the engine cannot compute, or not in several processes. */
export function requireComputable(
  {
    convolution,
    engine,
    device,
    precision = 'float32',
  }: Pick<Unbatched, 'convolution' | 'engine' | 'device' | 'precision'>,
  ranks: number,
): void {
  if (ranks > 1 && (engine === 'autograd' || precision === 'bf16')) {
    const flag = engine === 'autograd' ? '--engine autograd' : '--precision bf16';
    throw new L2TError(
      'INVALID_OPTION',
      `${flag} computes in one process, and this run has ${ranks}: leave it out, or give --no-group.`,
    );
  }
  const onCpu = device === 'cpu';
  if (convolution === 'winograd' && !(engine === 'native' && onCpu)) {
    throw new L2TError(
      'INVALID_OPTION',
      "--convolution winograd is the native engine's on a CPU: use --engine native and --device cpu, or --convolution auto.",
    );
  }
  if (precision !== 'float32' && onCpu) {
    throw new L2TError(
      'INVALID_OPTION',
      `--precision ${precision} is a GPU's, and this run is on the CPU, which computes in float32: leave it out.`,
    );
  }
  if (precision === 'bf16' && !(engine === 'native' && convolution === 'auto')) {
    throw new L2TError(
      'INVALID_OPTION',
      "--precision bf16 is the native engine's: use --engine native and --convolution auto.",
    );
  }
}

/** All options but `batch`, whose default depends on the number of images. */
export type Unbatched = Omit<ResolvedOptions, 'batch'>;

/** Fills in defaults, and makes paths absolute. `device` and `threads` are those of this process. */
export function resolveOptions(
  method: MethodName,
  target: NetworkName,
  given: Options,
  sources: ResolvedSource[],
  { device, threads }: Pick<ResolvedOptions, 'device' | 'threads'>,
): Unbatched {
  const size = given.size ?? defaultSize(target);
  const or = <K extends keyof Options>(key: K) =>
    (given[key] ?? defaultOf(transferSchema, key)) as NonNullable<Options[K]>;
  return {
    method,
    target,
    size,
    width: given.width ?? 1,
    ...(given.targetInit !== undefined && { targetInit: absolute(given.targetInit) }),
    ...(needsOf(method).start &&
      given.sourceLicence !== undefined && { targetInitLicence: [given.sourceLicence].flat()[0] }),
    sources,
    strict: given.strict ?? false,
    data: absolute(required(transferSchema, given, 'data')),
    ...(given.classes !== undefined && { classes: given.classes }),
    ...(given.layout !== undefined && { layout: given.layout }),
    ...(given.imageColumn !== undefined && { imageColumn: given.imageColumn }),
    ...(given.labelColumn !== undefined && { labelColumn: given.labelColumn }),
    ...(given.perClass !== undefined && { perClass: given.perClass }),
    ...(given.validation !== undefined && { validation: given.validation }),
    ...(given.fold !== undefined && { fold: given.fold }),
    ...(given.splitFile !== undefined && { splitFile: absolute(given.splitFile) }),
    ...(given.cache !== undefined && { cache: absolute(given.cache) }),
    epochs: or('epochs'),
    seed: or('seed'),
    engine: or('engine'),
    convolution: or('convolution'),
    ...(or('augment') !== defaultOf(transferSchema, 'augment') && { augment: or('augment') }),
    ...(or('evalEvery') !== defaultOf(transferSchema, 'evalEvery') && { evalEvery: or('evalEvery') }),
    ...(given.patience !== undefined && { patience: given.patience }),
    ...(or('precision') !== 'float32' && { precision: or('precision') }),
    ...(given.deterministic === false && { deterministic: false as const }),
    ...(given.graph === false && { graph: false as const }),
    ...(or('batchNorm') !== 'global' && { batchNorm: or('batchNorm') }),
    device,
    threads,
    saveEvery: or('saveEvery'),
    lr: or('lr'),
    ...(given.balance === true && { balance: true as const }),
    ...(needsOf(method).learns && { metaBatch: or('metaBatch') }),
    ...(given.report === false && { report: false as const }),
    ...(given.log !== undefined && { log: given.log }),
    ...settingsOf(method, given),
  };
}
