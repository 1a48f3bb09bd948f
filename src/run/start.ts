import { folderFingerprint } from '../data/load.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { sizeWarning, threadsWarning } from '../options/cost.js';
import { type MethodName, needsOf } from '../options/methods.js';
import { defaultBatch, type NetworkName } from '../options/networks.js';
import { currentFormat, type RunFormat, rules } from '../options/rules.js';
import type { ResolvedOptions, RunRecord } from '../options/run-record.js';
import { serveLive } from '../report/live.js';
import { RunFolder, type SavedRun } from './folder.js';
import { type Context, gather, type Materials, onListed, targetNetwork, warn } from './materials.js';
import { firstFree, requireUnused } from './new-folder.js';
import {
  type Options,
  requireComputable,
  requireConsistent,
  requireValidation,
  resolveOptions,
} from './resolve-options.js';
import type { RunResult } from './run.js';
import { listSources, loadSources, resolveSources } from './sources.js';
import { readResult, train } from './train.js';

/** Checks everything, makes the run folder, and trains. `format`: of the run folder; an experiment keeps its first. */
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
  const listed = needsOf(method).source ? listSources(given) : [];
  const checkpoints = await loadSources(listed, given.strict, warn(context));
  const device = addon().device(given.device ?? 'auto');
  const sources = resolveSources(method, listed, checkpoints, rules[format]);
  const unbatched = resolveOptions(format, method, target, given, sources, device.device);
  threadsWarning(unbatched.threads, device.device).forEach(warn(context));
  requireComputable(unbatched);
  const gathered = await gather({ format, options: unbatched }, device, checkpoints, context, true);
  const images = gathered.data.train.labels.length;
  const batch = given.batch ?? defaultBatch(unbatched.size, images, rules[format].fewestSteps);
  const options: ResolvedOptions = { ...unbatched, batch };
  const parameters = countParameters(targetNetwork(options, gathered.data));
  sizeWarning({ ...options, parameters }).forEach(warn(context));
  const materials = { ...gathered, options };
  requireValidation(given, materials.data.validation !== undefined);
  const { classNames, fingerprint, division, splitHash } = materials.data;
  const folderHash =
    division.test && (await folderFingerprint(options, { signal: context.signal, onListed: onListed(context) }));
  const record: RunRecord = {
    format,
    verb,
    options,
    data: {
      classNames: [...classNames],
      fingerprint,
      split: splitHash,
      ...(folderHash !== undefined && { folder: folderHash }),
    },
    sourceWeights: checkpoints.map(({ weights }) => hashTensors(weights)),
  };
  const folder = await RunFolder.create(given.out ?? firstFree(`${target}-${method}`), record, division);
  return folder.use(() => withPage(given.live, folder, context, () => trainIn(folder, materials, undefined, context)));
}

/** With the option `live`, serves the run's page while `body` trains. */
async function withPage(
  live: boolean | number | undefined,
  folder: RunFolder,
  { emit }: Context,
  body: () => Promise<RunResult>,
): Promise<RunResult> {
  if (live === undefined || live === false) return body();
  const page = await serveLive([folder.path], live === true ? 0 : live);
  emit({ type: 'live', url: page.url });
  return body().finally(page.close);
}

/** Trains. If the run diverges, the error says how the folder can still be used. */
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

/** Continues an opened run; `changes` are the options that replace the recorded ones. */
export async function continueRun(
  folder: RunFolder,
  changes: { threads?: number | undefined; device?: string | undefined; live?: boolean | number | undefined },
  context: Context,
): Promise<RunResult> {
  const saved = await folder.load();
  if (saved?.result) return readResult(folder, saved.result, context);
  const recorded = folder.record.options;
  const options = {
    ...recorded,
    threads: changes.threads ?? recorded.threads,
    device: changes.device === undefined ? recorded.device : addon().device(changes.device).device,
  };
  requireComputable(options);
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
  return withPage(changes.live, folder, context, () => trainIn(folder, materials, saved, context));
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
