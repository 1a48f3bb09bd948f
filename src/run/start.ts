import { resolve as absolute } from 'node:path';
import { folderFingerprint } from '../data/load.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { sizeWarning, threadsWarning } from '../options/cost.js';
import { type MethodName, needsOf } from '../options/methods.js';
import { defaultBatch, type NetworkName } from '../options/networks.js';
import { type ResolvedOptions, type RunRecord, runFormat } from '../options/run-record.js';
import { serveLive } from '../report/live.js';
import { shellWord } from '../system/shell.js';
import { commonFacts } from './common-facts.js';
import { RunFolder, type SavedRun } from './folder.js';
import { type Context, gather, type Materials, onListed, targetNetwork, warn } from './materials.js';
import { firstFree, requireStartable, requireUnused } from './new-folder.js';
import { inFolder, type OpenRun } from './open-run.js';
import {
  type Options,
  requireComputable,
  requireConsistent,
  requireValidation,
  resolveOptions,
  validationWarning,
} from './resolve-options.js';
import type { RunResult } from './run.js';
import { listSources, loadSources, resolveSources } from './sources.js';
import { finishedRun, train } from './train.js';

/** Checks everything, makes the run folder, and trains. */
export async function startRun(
  verb: RunRecord['verb'],
  method: MethodName,
  target: NetworkName,
  given: Options,
  context: Context,
): Promise<RunResult> {
  const { record, materials } = await context.group.agree(
    () => prepare(verb, method, target, given, context),
    (prepared) => commonFacts(prepared.record, prepared.materials),
  );
  const locking = { locked: context.locked, onWarning: warn(context) };
  const create = () =>
    RunFolder.create(
      given.out ?? firstFree(context.runs, `${target}-${method}`),
      record,
      materials.data.division,
      locking,
    );
  return inFolder(context, create, (run) =>
    withPage(given.live, run, context, () => trainIn(run, materials, undefined, context)),
  );
}

/** Checks everything, and loads what the run trains with. */
async function prepare(
  verb: RunRecord['verb'],
  method: MethodName,
  target: NetworkName,
  given: Options,
  context: Context,
): Promise<{ readonly record: RunRecord; readonly materials: Materials }> {
  const { group } = context;
  if (given.out !== undefined && group.first) await (context.locked ? requireStartable : requireUnused)(given.out);
  requireConsistent(method, given);
  const listed = needsOf(method).source ? listSources(given) : [];
  const checkpoints = await loadSources(listed, given.strict, warn(context));
  const device = group.device(given.device ?? 'auto');
  const sources = resolveSources(method, listed, checkpoints);
  const here = { device: device.device, threads: given.threads ?? group.threads };
  const unbatched = resolveOptions(method, target, given, sources, here);
  threadsWarning(unbatched.threads, device.device).forEach(warn(context));
  requireComputable(unbatched, group.size);
  const gathered = await gather(unbatched, device, checkpoints, context, true);
  const images = gathered.data.train.labels.length;
  const batch = given.batch ?? defaultBatch(unbatched.size, images);
  const options: ResolvedOptions = { ...unbatched, batch };
  const parameters = countParameters(targetNetwork(options, gathered.data));
  sizeWarning({ ...options, parameters }).forEach(warn(context));
  const materials = { ...gathered, options };
  const validates = materials.data.validation !== undefined;
  requireValidation(given, validates);
  const warning = validationWarning(given, validates);
  if (warning !== undefined) warn(context)(warning);
  const data = await dataOf(materials, context);
  const sourceWeights = checkpoints.map(({ weights }) => hashTensors(weights));
  const ranks = group.size > 1 ? { ranks: group.size } : {};
  return { record: { format: runFormat, verb, ...ranks, options, data, sourceWeights }, materials };
}

/** What a run's record says of its data. */
async function dataOf({ data, options }: Materials, context: Context): Promise<RunRecord['data']> {
  const { classNames, fingerprint, division, splitHash } = data;
  const folder =
    division.test && (await folderFingerprint(options, { signal: context.signal, onListed: onListed(context) }));
  return {
    classNames: [...classNames],
    fingerprint,
    split: splitHash,
    ...(folder !== undefined && { folder }),
  };
}

/** With the option `live`, serves the run's page on rank 0 while `body` trains. */
async function withPage(
  live: boolean | number | undefined,
  { folder }: OpenRun,
  { emit }: Context,
  body: () => Promise<RunResult>,
): Promise<RunResult> {
  if (live === undefined || live === false || folder === undefined) return body();
  const page = await serveLive([folder.path], live === true ? 0 : live);
  emit({ type: 'live', url: page.url });
  return body().finally(page.close);
}

/** Trains. If the run diverges, the error says how the folder can still be used. */
async function trainIn(
  run: OpenRun,
  materials: Materials,
  saved: SavedRun | undefined,
  context: Context,
): Promise<RunResult> {
  const { folder } = run;
  return train(materials, run, saved, context).catch((error: unknown) => {
    if (!(error instanceof L2TError) || error.code !== 'DIVERGED' || folder === undefined) throw error;
    const rest = folder.saved
      ? `What was saved before this is kept in ${folder.path}.`
      : `Nothing was saved before this: a resume would end in the same way, but --out ${shellWord(folder.path)} may be given again.`;
    throw new L2TError('DIVERGED', `${error.message} ${rest}`, { cause: error });
  });
}

/** The options that a resume may change. */
export interface ResumeChanges {
  readonly threads?: number | undefined;
  readonly device?: string | undefined;
  readonly live?: boolean | number | undefined;
  readonly cache?: string | undefined;
}

/** Continues an opened run; `changes` are the options that replace the recorded ones. */
export async function continueRun(run: OpenRun, changes: ResumeChanges, context: Context): Promise<RunResult> {
  const { group } = context;
  let saved: SavedRun | undefined;
  const { result, moved, ranks, timing } = await group.fromFirst(async () => {
    const folder = run.folder as RunFolder;
    saved = await folder.load();
    return { result: saved?.result, moved: folder.moved, ranks: folder.ranks, timing: folder.timing };
  });
  const { threads, device } = changes;
  const place = { ...(threads !== undefined && { threads }), ...(device !== undefined && { device }) };
  if (result && !moved) return finishedRun(run, result, timing, context, place);
  const materials = await group.agree(
    () => prepareAgain(run, changes, ranks, context),
    (prepared) => commonFacts({ ...run.record, options: prepared.options }, prepared),
  );
  // The files were moved, and hold what they held.
  if (result) return finishedRun(run, result, timing, context, place);
  return withPage(changes.live, run, context, () => trainIn(run, materials, saved, context));
}

/** Loads what the run trains with, and requires it to be what it was. `ranks`: of the last saved epoch. */
async function prepareAgain(run: OpenRun, changes: ResumeChanges, ranks: number, context: Context): Promise<Materials> {
  const recorded = run.record.options;
  const cache = changes.cache === undefined ? {} : { cache: absolute(changes.cache) };
  const options = { ...recorded, ...cache, ...placedAgain(recorded, changes, ranks, context) };
  requireComputable(options, context.group.size);
  const { threads, device } = options;
  if (threads !== recorded.threads || (device !== recorded.device && context.group.first)) {
    const message = `the run began with ${recorded.threads} threads on ${recorded.device}: with others its last digits may differ`;
    context.emit({ type: 'warning', message });
  }
  if (context.group.size !== ranks) {
    const result =
      options.batchNorm === 'local'
        ? 'batch norm takes its statistics over other parts of a batch (--batch-norm local), so the result is another one'
        : 'its last digits may differ';
    const message = `the run was computed by ${processes(ranks)} so far, and goes on with ${context.group.size}: ${result}`;
    context.emit({ type: 'warning', message });
  }
  threadsWarning(threads, device).forEach(warn(context));
  const checkpoints = await loadSources(options.sources, options.strict, warn(context));
  const place = addon().device(device);
  const materials = { ...(await gather(options, place, checkpoints, context, false)), options };
  requireUnchanged(run, materials);
  return materials;
}

/** Where this rank computes: as recorded, but for `changes`, its own GPU, and its share of the cores among other ranks. */
function placedAgain(
  recorded: ResolvedOptions,
  changes: ResumeChanges,
  ranks: number,
  { group }: Context,
): Pick<ResolvedOptions, 'threads' | 'device'> {
  const threads = changes.threads ?? (group.size === ranks ? recorded.threads : group.threads);
  if (changes.device !== undefined) return { threads, device: group.device(changes.device).device };
  const ownGpu = group.size > 1 && recorded.device.startsWith('cuda');
  return { threads, device: ownGpu ? group.device('cuda').device : recorded.device };
}

const processes = (count: number): string => (count === 1 ? 'one process' : `${count} processes`);

function requireUnchanged({ path, record }: OpenRun, { data, sources, options }: Materials): void {
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
