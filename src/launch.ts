import { existsSync } from 'node:fs';
import { resolve as absolute, join } from 'node:path';
import { addon } from './addon.js';
import { type Checkpoint, loadCheckpoint } from './checkpoint.js';
import { L2TError } from './errors.js';
import { defaultSize, type NetworkName } from './networks.js';
import { flagOf, type Given, type MethodName, required, transferSchema } from './options.js';
import type { RunResult } from './run.js';
import { hashTensors, RunFolder, requireUnused } from './run-folder.js';
import type { ResolvedOptions, RunRecord } from './run-record.js';
import { defaultThreads } from './threads.js';
import { type Context, type Materials, readResult, resolvePairs, train } from './training.js';
import { prepareTrainingData, type TrainingData } from './training-data.js';

export type Options = Omit<Given<typeof transferSchema>, 'target'>;

/** Checks everything, makes the run folder, trains. */
export async function startRun(
  verb: RunRecord['verb'],
  method: MethodName,
  target: NetworkName,
  given: Options,
  context: Context,
): Promise<RunResult> {
  if (given.out !== undefined) await requireUnused(given.out);
  const matching = withoutUnused(method, given, context);
  const source = method === 'scratch' ? undefined : await loadSource(matching, context);
  const device = addon().device(given.device ?? 'auto');
  const options = resolveOptions(method, target, matching, source, device.device);
  refuseWinogradElsewhere(options);
  const materials = await gather(options, device, source, context);
  resolvePairs(materials);
  const { classNames, fingerprint, splitHash: split } = materials.data;
  const folder = await RunFolder.create(given.out ?? firstFree(`${target}-${method}`), {
    format: 1,
    verb,
    options,
    data: { classNames: [...classNames], fingerprint, split },
    ...(source && { sourceWeights: hashTensors(source.weights) }),
  });
  try {
    return await train(materials, folder, undefined, context);
  } finally {
    await folder.release();
  }
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
    device: changes.device ?? recorded.device,
  };
  if (options.threads !== recorded.threads || options.device !== recorded.device) {
    const message = `the run began with ${recorded.threads} threads on ${recorded.device}: with others its last digits may differ`;
    context.emit({ type: 'warning', message });
  }
  const source = options.method === 'scratch' ? undefined : await loadSource(options, context);
  const materials = await gather(options, addon().device(options.device), source, context);
  requireUnchanged(folder, materials);
  return train(materials, folder, saved, context);
}

function requireUnchanged({ path, record }: RunFolder, { data, source, options }: Materials): void {
  const changed = (what: string, where: string | undefined) =>
    new L2TError('INVALID_RUN', `${what} in ${where} changed since ${path} began: put it back, or start a new run.`);
  if (data.fingerprint !== record.data.fingerprint || data.splitHash !== record.data.split) {
    throw changed('The data', options.data);
  }
  if (source && hashTensors(source.weights) !== record.sourceWeights) throw changed('The source', options.source);
}

const ofSource = ['source', 'sourceNetwork', 'sourceSize', 'sourceWidth', 'pairs', 'beta'] as const;
const ofMeta = ['innerSteps', 'metaLr', 'metaWeightDecay'] as const;

/** Options that the method has no use for are said to be unused, and left out. */
function withoutUnused(method: MethodName, given: Options, { emit }: Context): Options {
  const useless = { scratch: [...ofSource, ...ofMeta], fm: ofMeta }[method as string] ?? [];
  const unused: string[] = useless.filter((key) => given[key] !== undefined);
  if (unused.length === 0) return given;
  emit({ type: 'warning', message: `method ${method} has no use for ${unused.map(flagOf).join(', ')}: left out` });
  return Object.fromEntries(Object.entries(given).filter(([key]) => !unused.includes(key)));
}

function loadSource(options: Options, { emit }: Context): Promise<Checkpoint> {
  return loadCheckpoint(required(transferSchema, options, 'source'), {
    network: options.sourceNetwork,
    width: options.sourceWidth,
    size: options.sourceSize,
    strict: options.strict,
    flag: '--source-network',
    onWarning: (message) => emit({ type: 'warning', message }),
  });
}

function refuseWinogradElsewhere({ convolution, engine, device }: ResolvedOptions): void {
  if (convolution !== 'winograd' || (engine === 'native' && device === 'cpu')) return;
  throw new L2TError(
    'INVALID_OPTION',
    "--convolution winograd is the native engine's on a CPU: use --engine native and --device cpu, or --convolution auto.",
  );
}

/** Defaults, and paths that do not depend on the working directory. */
function resolveOptions(
  method: MethodName,
  target: NetworkName,
  given: Options,
  source: Checkpoint | undefined,
  device: string,
): ResolvedOptions {
  const size = given.size ?? defaultSize(target);
  return {
    ...{ method, target, size, width: given.width ?? 1 },
    ...(given.targetInit !== undefined && { targetInit: absolute(given.targetInit) }),
    ...(source && {
      source: absolute(required(transferSchema, given, 'source')),
      sourceNetwork: source.network.name,
      sourceWidth: source.network.width,
      sourceSize: source.size,
      pairs: given.pairs ?? (method === 'l2t-ww' ? 'all-to-all' : 'one-to-one'),
    }),
    strict: given.strict ?? false,
    data: absolute(required(transferSchema, given, 'data')),
    ...(given.classes !== undefined && { classes: given.classes }),
    ...(given.perClass !== undefined && { perClass: given.perClass }),
    epochs: given.epochs ?? 200,
    batch: given.batch ?? (size >= 224 ? 64 : 128),
    seed: given.seed ?? 0,
    engine: given.engine ?? 'native',
    convolution: given.convolution ?? 'auto',
    device,
    threads: given.threads ?? defaultThreads(),
    saveEvery: given.saveEvery ?? 60,
    lr: given.lr ?? 0.1,
    momentum: given.momentum ?? 0.9,
    weightDecay: given.weightDecay ?? 1e-4,
    beta: given.beta ?? 0.5,
    innerSteps: given.innerSteps ?? 2,
    metaLr: given.metaLr ?? 1e-4,
    metaWeightDecay: given.metaWeightDecay ?? 1e-4,
  };
}

async function gather(
  options: ResolvedOptions,
  device: Materials['device'],
  source: Checkpoint | undefined,
  { emit, signal }: Context,
): Promise<Materials> {
  const onWarning = (message: string) => emit({ type: 'warning', message });
  const { data, classes, size, perClass, seed, target, width, targetInit, strict } = options;
  // Read first: a wrong path should not show only after minutes of decoding.
  const init =
    targetInit === undefined
      ? undefined
      : await loadCheckpoint(targetInit, { network: target, width, size, strict, onWarning });
  const prepared = await prepareTrainingData({
    ...{ data, classes, size, perClass, seed, signal, onWarning },
    onProgress: (done, total) => emit({ type: 'data', done, total }),
  });
  if (init) requireFits(init, options, prepared);
  return { options, device, data: prepared, source, init };
}

function requireFits(
  { network }: Checkpoint,
  { targetInit, data }: ResolvedOptions,
  { classNames }: TrainingData,
): void {
  if (network.classes === classNames.length) return;
  throw new L2TError(
    'WEIGHTS_MISMATCH',
    `${targetInit} tells ${network.classes} classes apart, but ${data} has ${classNames.length}: start from weights of as many classes.`,
  );
}

function firstFree(name: string): string {
  for (let k = 1; ; k++) {
    const path = join('runs', `${name}-${k}`);
    if (!existsSync(path)) return path;
  }
}
