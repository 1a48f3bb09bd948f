import { resolve as absolute } from 'node:path';
import { addon } from './addon.js';
import { type Checkpoint, flagNames, loadCheckpoint } from './checkpoint.js';
import { sizeWarning, threadsWarning } from './cost.js';
import { L2TError } from './errors.js';
import { type MethodName, methodNeeds, uselessOptions } from './methods.js';
import { defaultBatch, defaultSize, describeNetwork, type NetworkName } from './networks.js';
import { firstFree, requireUnused } from './new-folder.js';
import { flagOf, type Given, hyperparameters, required, transferSchema } from './options.js';
import { printable } from './printable.js';
import { currentFormat, type RunFormat, rules } from './rules.js';
import type { RunResult } from './run.js';
import { RunFolder, type SavedRun } from './run-folder.js';
import type { ResolvedOptions, ResolvedSource, RunRecord } from './run-record.js';
import { listSources, loadSources, nativeSources, resolveSources } from './sources.js';
import { defaultThreads } from './threads.js';
import { type Context, type Materials, readResult, targetNetwork, train } from './training.js';
import { folderFingerprint, prepareTrainingData } from './training-data.js';
import { hashTensors } from './weights/content-hash.js';

export type Options = Omit<Given<typeof transferSchema>, 'target'>;

/** Checks everything, makes the run folder, trains. `format`: of an experiment that began with an earlier one. */
export async function startRun(
  verb: RunRecord['verb'],
  method: MethodName,
  target: NetworkName,
  given: Options,
  context: Context,
  format: RunFormat = currentFormat,
): Promise<RunResult> {
  if (given.out !== undefined) await requireUnused(given.out);
  requireConsistent(method, given);
  const listed = methodNeeds[method].source ? listSources(given) : [];
  const checkpoints = await loadSources(listed, given.strict, warn(context));
  const device = addon().device(given.device ?? 'auto');
  const sources = resolveSources(method, listed, checkpoints, rules[format]);
  const unbatched = resolveOptions(format, method, target, given, sources, device.device);
  threadsWarning(unbatched.threads, device.device).forEach(warn(context));
  refuseWinogradElsewhere(unbatched);
  const gathered = await gather({ format, options: unbatched }, device, checkpoints, context, true);
  const images = gathered.data.train.labels.length;
  const batch = given.batch ?? defaultBatch(unbatched.size, images, rules[format].fewestSteps);
  const options: ResolvedOptions = { ...unbatched, batch };
  sizeWarning(options).forEach(warn(context));
  const materials = { ...gathered, options };
  const { classNames, fingerprint, division, splitHash } = materials.data;
  const folderHash =
    division.test && (await folderFingerprint(options, { signal: context.signal, onListed: onListed(context) }));
  const record: RunRecord = {
    ...{ format, verb, options },
    data: {
      ...{ classNames: [...classNames], fingerprint, split: splitHash },
      ...(folderHash !== undefined && { folder: folderHash }),
    },
    sourceWeights: checkpoints.map(({ weights }) => hashTensors(weights)),
  };
  const folder = await RunFolder.create(given.out ?? firstFree(`${target}-${method}`), record, division);
  return folder.use(() => trainIn(folder, materials, undefined, context));
}

/** Trains; of a run that diverged, says what the folder is still good for. */
async function trainIn(
  folder: RunFolder,
  materials: Materials,
  saved: SavedRun | undefined,
  context: Context,
): Promise<RunResult> {
  return train(materials, folder, saved, context).catch((error: unknown) => {
    if (!(error instanceof L2TError) || error.code !== 'DIVERGED') throw error;
    const rest = folder.saved
      ? `What was saved before this is kept in ${folder.path}.`
      : `Nothing was saved before this: a resume would end in the same way, but --out ${folder.path} may be given again.`;
    throw new L2TError('DIVERGED', `${error.message} ${rest}`, { cause: error });
  });
}

/** Goes on with an opened run; `changes` are what may differ from what it was started with. */
export async function continueRun(
  folder: RunFolder,
  changes: { threads?: number | undefined; device?: string | undefined },
  context: Context,
): Promise<RunResult> {
  const saved = await folder.load();
  if (saved?.result) return readResult(folder, saved.result);
  const recorded = folder.record.options;
  const options = {
    ...recorded,
    threads: changes.threads ?? recorded.threads,
    device: changes.device === undefined ? recorded.device : addon().device(changes.device).device,
  };
  if (options.threads !== recorded.threads || options.device !== recorded.device) {
    const message = `the run began with ${recorded.threads} threads on ${recorded.device}: with others its last digits may differ`;
    context.emit({ type: 'warning', message });
  }
  threadsWarning(options.threads, options.device).forEach(warn(context));
  const checkpoints = await loadSources(options.sources, options.strict, warn(context));
  const { format } = folder.record;
  const device = addon().device(options.device);
  const materials = { ...(await gather({ format, options }, device, checkpoints, context, false)), options };
  requireUnchanged(folder, materials);
  return trainIn(folder, materials, saved, context);
}

function requireUnchanged({ path, record }: RunFolder, { data, sources, options }: Materials): void {
  const changed = (what: string, where: string | undefined) =>
    new L2TError('INVALID_RUN', `${what} in ${where} changed since ${path} began: put it back, or start a new run.`);
  if (data.fingerprint !== record.data.fingerprint || data.splitHash !== record.data.split) {
    throw changed('The data', options.data);
  }
  sources.forEach(({ weights }, k) => {
    if (hashTensors(weights) === record.sourceWeights[k]) return;
    throw changed('The source', options.sources[k]?.checkpoint);
  });
}

/**
 * Options that go together, as far as they alone show.
 * @throws L2TError INVALID_OPTION.
 */
export function requireConsistent(method: MethodName, given: Options): void {
  requireFitting(method, given);
  requireOneSplit(given);
}

/** Refuses what the method has no use for, by name, and what it lacks. */
function requireFitting(method: MethodName, given: Options): void {
  const useless = uselessOptions(methodNeeds[method]).filter((key) => given[key] !== undefined);
  if (useless.length > 0) {
    const flags = useless.map(flagOf).join(', ');
    const hint = method === 'finetune' ? ' (It starts from --target-init.)' : '';
    throw new L2TError(
      'INVALID_OPTION',
      `Method ${method} has no use for ${flags}: leave out what it does not read.${hint}`,
    );
  }
  const { source, pairs } = methodNeeds[method];
  if (source && !pairs && [given.source].flat().length > 1) {
    throw new L2TError('INVALID_OPTION', `Method ${method} learns from one source: give --source once.`);
  }
  if (method === 'finetune') required(transferSchema, given, 'targetInit');
}

/** A split file says all that these say. */
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

const warn =
  ({ emit }: Context) =>
  (message: string): void =>
    emit({ type: 'warning', message: printable(message) });

const onListed =
  ({ emit }: Context) =>
  (entries: number): void =>
    emit({ type: 'listing', entries });

function refuseWinogradElsewhere({ convolution, engine, device }: Unbatched): void {
  if (convolution !== 'winograd' || (engine === 'native' && device === 'cpu')) return;
  throw new L2TError(
    'INVALID_OPTION',
    "--convolution winograd is the native engine's on a CPU: use --engine native and --device cpu, or --convolution auto.",
  );
}

/** All but the batch, whose default depends on how many images there are. */
type Unbatched = Omit<ResolvedOptions, 'batch'>;

/** Defaults, and paths that do not depend on the working directory. */
function resolveOptions(
  format: RunFormat,
  method: MethodName,
  target: NetworkName,
  given: Options,
  sources: ResolvedSource[],
  device: string,
): Unbatched {
  const size = given.size ?? defaultSize(target);
  return {
    ...{ method, target, size, width: given.width ?? 1 },
    ...(given.targetInit !== undefined && { targetInit: absolute(given.targetInit) }),
    sources,
    strict: given.strict ?? false,
    data: absolute(required(transferSchema, given, 'data')),
    ...(given.classes !== undefined && { classes: given.classes }),
    ...(given.layout !== undefined && { layout: given.layout }),
    ...(given.perClass !== undefined && { perClass: given.perClass }),
    ...(given.validation !== undefined && { validation: given.validation }),
    ...(given.fold !== undefined && { fold: given.fold }),
    ...(given.splitFile !== undefined && { splitFile: absolute(given.splitFile) }),
    ...(given.cache !== undefined && { cache: absolute(given.cache) }),
    epochs: given.epochs ?? 200,
    seed: given.seed ?? 0,
    engine: given.engine ?? 'native',
    convolution: given.convolution ?? 'auto',
    device,
    threads: given.threads ?? defaultThreads(),
    saveEvery: given.saveEvery ?? 60,
    lr: given.lr ?? rules[format].lr,
    ...hyperparameters(given),
  };
}

/** `check`: look at the test images before training, which a resume need not do again. */
async function gather(
  { format, options }: Pick<RunRecord, 'format'> & { readonly options: Unbatched },
  device: Materials['device'],
  checkpoints: readonly Checkpoint[],
  context: Context,
  check: boolean,
): Promise<Omit<Materials, 'options'>> {
  const { emit, signal } = context;
  const onWarning = warn(context);
  const { size, target, width, targetInit, strict } = options;
  // Read first: a wrong path should not show only after minutes of decoding.
  const names = { ...flagNames, network: '--target' };
  const init =
    targetInit === undefined
      ? undefined
      : await loadCheckpoint(targetInit, { network: target, width, size, strict, names, onWarning });
  requirePairs(options, checkpoints);
  const prepared = await prepareTrainingData({
    ...{ ...options, rules: rules[format] },
    ...{ sourceSizes: checkpoints.map(({ size: side }) => side), check, signal, onWarning },
    onListed: onListed(context),
    onProgress: (done, total) => emit({ type: 'data', done, total }),
  });
  const fitted = init && withNewHead(init, options, prepared.classNames.length, onWarning);
  const sources = nativeSources(options, checkpoints, targetNetwork(options, prepared));
  return { rules: rules[format], device, data: prepared, sources, init: fitted };
}

/** Features do not depend on the count of classes, so sizes and pairs that do not fit show before images are decoded. */
function requirePairs(options: Unbatched, checkpoints: readonly Checkpoint[]): void {
  const target = { name: options.target, classes: 1, width: options.width };
  describeNetwork(target, options.size);
  nativeSources(options, checkpoints, target);
}

/** Layers that have another shape for another count of classes start as the seed draws them. */
function withNewHead(
  init: Checkpoint,
  { targetInit, target, width, seed }: Unbatched,
  classes: number,
  onWarning: (message: string) => void,
): Checkpoint {
  if (init.network.classes === classes) return init;
  onWarning(`${targetInit} has ${init.network.classes} classes and the data ${classes}: the last layer starts anew`);
  const given = new Map(init.weights.map((tensor) => [tensor.name, tensor]));
  const network = { name: target, classes, width };
  const weights = addon()
    .initialise(network, seed)
    .map((fresh) => {
      const tensor = given.get(fresh.name);
      return tensor !== undefined && String(tensor.shape) === String(fresh.shape) ? tensor : fresh;
    });
  return { ...init, network, weights };
}
