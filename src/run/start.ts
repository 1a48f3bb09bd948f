import { existsSync } from 'node:fs';
import { resolve as absolute, join } from 'node:path';
import { folderFingerprint } from '../data/load.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { countParameters } from '../networks/describe.js';
import {
  contentHash,
  factsOf,
  loadSources,
  requireSameRuntime,
  requireTrainable,
  type Source,
} from '../networks/sources.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import type { Given } from '../options/check.js';
import { resumeCommand } from '../options/command.js';
import { requireComputable, requireValidation, validationWarning } from '../options/consistent.js';
import { sizeWarning, threadsWarning } from '../options/cost.js';
import type { transferSchema } from '../options/schemas.js';
import {
  begin,
  differences,
  keptOptions,
  placedAt,
  type RunSpec,
  read,
  rowsOf,
  type SpecDraft,
  valueIn,
  withFiles,
} from '../options/spec.js';
import type { Fact } from '../ranks/ranks.js';
import { firstFree, removeAll, requireStartable, requireUnused } from '../store/new-folder.js';
import { newRecord, type RunRecord } from '../store/record.js';
import { failureName, readFailure, recordName } from '../store/run-data.js';
import { RunStore, type SavedRun } from '../store/run-store.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import { writeFileAtomic } from '../system/files.js';
import { counted, shellWord, someOf } from '../system/printable.js';
import { withFinetunedSources } from './finetune-sources.js';
import { findRates } from './learning-rate.js';
import { gather, type Materials, onListed, targetNetwork } from './materials.js';
import { finishedRun } from './result.js';
import type { OpenRun, RunContext, RunResult } from './run.js';
import { train } from './train.js';

type TransferGiven = Given<typeof transferSchema>;

/** Checks everything, makes the run folder, and trains. `locked`: the caller holds the lock of `out`. */
export async function startRun(
  verb: RunRecord['verb'],
  options: TransferGiven,
  context: RunContext,
  locked?: true,
): Promise<RunResult> {
  const { record, materials } = await context.ranks.agree(
    async () => {
      if (options.out !== undefined && context.ranks.first)
        await (locked ? requireStartable : requireUnused)(options.out);
      return prepareRun(verb, options, context);
    },
    (prepared) => commonFacts(prepared.record, prepared.materials.device.device),
  );
  const { target, method } = record.spec;
  const create = () => {
    const path = options.out ?? firstFree(context.runs, `${target}-${method}`);
    return RunStore.create(path, record, materials.data.division, { locked, onWarning: context.warn });
  };
  return inStore(create, context, (run) => trainIn(run, materials, undefined, context));
}

/** Opens or makes the run's folder on rank 0, and holds it while `body` runs on all ranks. */
async function inStore(
  open: () => Promise<RunStore>,
  { ranks }: RunContext,
  body: (run: OpenRun) => Promise<RunResult>,
): Promise<RunResult> {
  let store: RunStore | undefined;
  const opening = ranks.once(async () => {
    store = await open();
    return { path: store.path, record: store.record };
  });
  const run = opening.then((opened) => body({ ...opened, store }));
  // If another rank fails, a store that was opened here must still be released.
  await opening.catch(() => {});
  return store ? store.use(() => run) : run;
}

/** Checks the options, and loads everything that the run trains with. */
async function prepareRun(
  verb: RunRecord['verb'],
  options: TransferGiven,
  context: RunContext,
): Promise<{ readonly record: RunRecord; readonly materials: Materials }> {
  const { ranks } = context;
  const draft = read(options);
  const checkpoints = await loadSources(draft.sources, { ...draft, onWarning: context.warn, onNote: context.note });
  const sources = factsOf(checkpoints);
  const chosen = ranks.device(options.device ?? 'auto');
  const { device } = chosen;
  const { threads } = ranks;
  threadsWarning(options.threads ?? threads, device).forEach(context.warn);
  requireComputable(draft, device, ranks.size);
  if (draft.sourceFinetune !== undefined) requireTrainable(draft.sources, '{sourceFinetune}');
  requireElsewhere(checkpoints, device, context);
  const gathered = await gather(draft, chosen, checkpoints, context);
  const { data } = gathered;
  if (data.skipped.length > 0) {
    const some = someOf(
      data.skipped.map(({ name }) => name),
      3,
    );
    context.warn(`${counted(data.skipped.length, 'damaged image')} left out: ${some}`);
  }
  if (data.tested > 0) {
    context.note(`${counted(data.tested, 'image')} without labels left out: they are validation or test images, too`);
  }
  const spec = begin(draft, { device, threads, images: data.train.labels.length, sources });
  const parameters = countParameters(targetNetwork(spec, data));
  sizeWarning({ ...spec, parameters }).forEach(context.warn);
  const validates = data.validation !== undefined;
  requireValidation(spec, validates);
  const warning = validationWarning(spec, validates);
  if (warning !== undefined) context.warn(warning);
  const materials = { ...gathered, spec };
  const record = newRecord({ verb, ranks: ranks.size, spec, found: await foundIn(materials, context) });
  return { record, materials };
}

/** Refuses several ranks where a source is an ONNX file, and says where it runs. */
function requireElsewhere(sources: readonly Source[], device: string, { ranks, note }: RunContext): void {
  const path = sources.find(({ onnx }) => onnx)?.onnx?.path;
  if (path === undefined) return;
  if (ranks.size > 1) {
    throw invalidOption(
      `${path} is an ONNX file, which one process runs, and this run has ${ranks.size}: compute in one process (on the command line: --no-group).`,
    );
  }
  if (device !== 'cpu') note(`${path} runs on the CPU, as every ONNX file, and the target on ${device}`);
}

/** Returns the facts about a run's files that its record keeps. */
async function foundIn(
  { data, spec, initHash, phi, checkpoints }: Materials,
  context: RunContext,
): Promise<RunRecord['found']> {
  const { classNames, fingerprint, division, splitHash, skipped, unlabelledHash } = data;
  const folder =
    division.test && (await folderFingerprint(spec, { signal: context.signal, onListed: onListed(context) }));
  return {
    classNames: [...classNames],
    data: fingerprint,
    split: splitHash,
    ...(skipped.length > 0 && { skipped }),
    ...(folder !== undefined && { folder }),
    ...(unlabelledHash !== undefined && { unlabelled: unlabelledHash }),
    sources: checkpoints.map(contentHash),
    ...(initHash !== undefined && { targetInit: initHash }),
    ...(phi !== undefined && { metaInit: hashTensors(phi) }),
  };
}

/**
 * Returns the facts that all ranks of a run must have in common: the options that change its result, and the content of
 * its files, which may lie elsewhere on each rank.
 */
function commonFacts({ verb, spec, found }: RunRecord, device: string): Fact[] {
  const hash = (what: string, value: unknown): Fact => ({ what, value, code: 'INVALID_DATA', hidden: true });
  const option = (what: string, value: unknown): Fact => ({ what, value, code: 'INVALID_OPTION' });
  return [
    option('the verb', verb),
    option('the number of sources', spec.sources.length),
    ...rowsOf('result').map((row) => option(`{${row.name}}`, valueIn(spec, row))),
    option('the kind of device', device.replace(/:.*/, '')),
    hash('the data', found.data),
    hash('the division of the data into training, validation and test images', found.split),
    hash(
      'the damaged images that are left out',
      found.skipped?.map(({ set, image }) => [set, image]),
    ),
    ...found.sources.map((value, k) => hash(`the weights of source ${k + 1}`, value)),
    hash('the images without labels', found.unlabelled),
    hash('the weights to start from', found.targetInit),
    hash('the meta-networks to begin with', found.metaInit),
  ];
}

/**
 * Fine-tunes the sources if the options say so, finds the learning rate if there is none yet, and trains. If the run
 * diverges, the error says how the folder can still be used.
 */
async function trainIn(
  run: OpenRun,
  began: Materials,
  saved: SavedRun | undefined,
  context: RunContext,
): Promise<RunResult> {
  const { store } = run;
  const materials = await withFinetunedSources(began, run, context, goOnOrBegin);
  try {
    return await train(materials, run, await findRates(materials, run, context), saved, context);
  } catch (error) {
    if (!(error instanceof L2TError) || error.code !== 'DIVERGED' || store === undefined) throw error;
    const rest = store.saved
      ? `What was saved before this is kept in ${store.path}.`
      : `Nothing was saved before this: a resume would end in the same way, but {out} may be ${shellWord(store.path)} again.`;
    throw new L2TError('DIVERGED', `${error.message} ${rest}`, { cause: error });
  }
}

/** The options that a resume may change. */
type ResumeChanges = Pick<TransferGiven, 'threads' | 'device' | 'cache'>;

/** Continues the run that `open` opens; `changes` are the options that replace the recorded ones. */
export const continueRun = (
  open: () => Promise<RunStore>,
  changes: ResumeChanges,
  context: RunContext,
): Promise<RunResult> =>
  inStore(open, context, async (run) => {
    const { ranks } = context;
    let saved: SavedRun | undefined;
    const { result, moved, before, timing } = await ranks.once(async () => {
      const store = run.store as RunStore;
      saved = await store.load();
      return { result: saved?.result, moved: store.moved, before: store.ranks, timing: store.timing };
    });
    const { threads, device } = changes;
    const placement = { ...(threads !== undefined && { threads }), ...(device !== undefined && { device }) };
    if (result && !moved) return finishedRun(run, result, timing, context, placement);
    const materials = await ranks.agree(
      () => prepareAgain(run, changes, before, context),
      (prepared) => commonFacts({ ...run.record, spec: prepared.spec }, prepared.device.device),
    );
    // The files were moved, and their content is unchanged.
    if (result) return finishedRun(run, result, timing, context, placement);
    return trainIn(run, materials, saved, context);
  });

/** Loads the run's materials, and requires them to be unchanged. `before`: number of ranks of the last saved epoch. */
async function prepareAgain(
  run: OpenRun,
  changes: ResumeChanges,
  before: number,
  context: RunContext,
): Promise<Materials> {
  const recorded = run.record.spec;
  const cache = changes.cache === undefined ? {} : { cache: absolute(changes.cache) };
  const spec = placedAt(recorded, { ...cache, ...placeAgain(recorded, changes, before, context) });
  const { threads, device } = spec;
  requireComputable(spec, device, context.ranks.size);
  if (threads !== recorded.threads || (device !== recorded.device && context.ranks.first)) {
    const message = `the run began with ${recorded.threads} threads on ${recorded.device}: with others its last digits may differ`;
    context.warn(message);
  }
  if (context.ranks.size !== before) {
    const result =
      spec.batchNorm === 'local'
        ? 'batch norm takes its statistics over other parts of a batch ({batchNorm=local}), so the result is another one'
        : 'its last digits may differ';
    const message = `the run was computed by ${processes(before)} so far, and goes on with ${context.ranks.size}: ${result}`;
    context.warn(message);
  }
  threadsWarning(threads, device).forEach(context.warn);
  const checkpoints = await loadSources(spec.sources, { ...spec, onWarning: context.warn });
  requireElsewhere(checkpoints, device, context);
  requireSameRuntime(checkpoints, spec, recorded.threads);
  const gathered = await gather(spec, addon().device(device), checkpoints, context, run.record.found.skipped ?? []);
  const materials = { ...gathered, spec };
  requireUnchanged(run, materials);
  return materials;
}

/** Returns where this rank computes: as recorded, except for `changes`, its own GPU, and its share of the cores. */
function placeAgain(
  recorded: RunSpec,
  changes: ResumeChanges,
  before: number,
  { ranks }: RunContext,
): Pick<RunSpec, 'threads' | 'device'> {
  const threads = changes.threads ?? (ranks.size === before ? recorded.threads : ranks.threads);
  if (changes.device !== undefined) return { threads, device: ranks.device(changes.device).device };
  const ownGpu = ranks.size > 1 && recorded.device.startsWith('cuda');
  return { threads, device: ownGpu ? ranks.device('cuda').device : recorded.device };
}

const processes = (count: number): string => (count === 1 ? 'one process' : `${count} processes`);

function requireUnchanged(
  { path, record: { found } }: OpenRun,
  { data, checkpoints, spec, initHash, phi }: Materials,
): void {
  const changed = (what: string, where: string | undefined) =>
    invalidRun(`${what} in ${where} changed since ${path} began: put it back, or start a new run.`);
  if (data.fingerprint !== found.data || data.splitHash !== found.split) throw changed('The data', spec.data);
  if (data.unlabelledHash !== found.unlabelled)
    throw changed('The images without labels', spec.unlabelled?.join(' and '));
  checkpoints.forEach((source, k) => {
    if (contentHash(source) !== found.sources[k]) throw changed('The source', spec.sources[k]?.path);
  });
  if (initHash !== found.targetInit) throw changed('The network to start from', spec.targetInit);
  if ((phi && hashTensors(phi)) !== found.metaInit) throw changed('The meta-networks to begin with', spec.metaInit);
}

/**
 * Starts the run in the folder `out`, goes on with it, or reads its result. The caller holds the folder's lock on rank 0,
 * which keeps a failure in failure.json.
 */
export function goOnOrBegin(out: string, options: TransferGiven, context: RunContext): Promise<RunResult> {
  const body = () => startOrContinue(out, options, context);
  return context.ranks.first ? keepingFailure(out, body) : body();
}

async function startOrContinue(out: string, options: TransferGiven, context: RunContext): Promise<RunResult> {
  const begun = await context.ranks.once(() => existsSync(join(out, recordName)));
  if (!begun) return startRun('transfer', { ...options, out }, context, true);
  const { threads, device, cache } = options;
  const open = () =>
    RunStore.open(out, { locked: true, onWarning: context.warn }, (written) => {
      const draft = read(options);
      const record = withMovedFiles(written, draft, context.warn);
      requireSameOptions(out, record, draft);
      const kept = keptOptions(record.spec, options).map((name) => `{${name}}`);
      if (kept.length > 0) context.warn(`${out} goes on with its own ${kept.join(', ')}`);
      return record;
    });
  return continueRun(open, { threads, device, cache }, context);
}

/** Returns the record with the given files in place of missing ones. */
function withMovedFiles(record: RunRecord, draft: SpecDraft, onMoved: (message: string) => void): RunRecord {
  const moved: string[] = [];
  const spec = withFiles(record.spec, draft, (began, given) => {
    if (given === began || existsSync(began)) return began;
    moved.push(`the run began with ${began}, which is not there any more: it goes on with ${given}`);
    return given;
  });
  moved.forEach(onMoved);
  return moved.length > 0 ? { ...record, spec } : record;
}

/** @throws L2TError INVALID_RUN if the folder holds a run with other options. */
function requireSameOptions(folder: string, { verb, spec }: RunRecord, draft: SpecDraft): void {
  const flags = verb === 'transfer' ? differences(spec, draft).map((name) => `{${name}}`) : ['the verb, pretrain'];
  if (flags.length === 0) return;
  throw invalidRun(
    `${folder} holds a run with other options (${flags.join(', ')}): choose another {out}, or continue that run: ${resumeCommand(verb, folder)}`,
  );
}

/** Removes the failure of an earlier attempt, and writes that of `body`, unless it is an abort. */
async function keepingFailure<T>(out: string, body: () => Promise<T>): Promise<T> {
  // Throws if the file is no record of a failure: it may be the user's own.
  await readFailure(out);
  await removeAll(out, [failureName]);
  try {
    return await body();
  } catch (error) {
    const { code = 'INTERNAL', message } = error as Partial<L2TError> & Error;
    if (code !== 'ABORTED') {
      // An error of this write is ignored, to report the failure itself.
      await writeFileAtomic(join(out, failureName), `${JSON.stringify({ code, message })}\n`).catch(() => {});
    }
    throw error;
  }
}
