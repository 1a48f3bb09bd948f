import { setTimeout as wait } from 'node:timers/promises';
import { L2TError } from '../errors.js';
import { nativeSources } from '../networks/sources.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { finetuneOptions } from '../options/spec.js';
import { fileName } from '../report/model-card.js';
import { FolderLock, releaseAfter } from '../store/lock.js';
import { readRecord, sourceFolder } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { makeFolder } from '../system/files.js';
import { type Materials, targetNetwork } from './materials.js';
import { aborted } from './result.js';
import type { OpenRun, RunContext, RunResult } from './run.js';

/** Starts the run in a folder, or goes on with it, or reads its result. The caller holds the folder's lock on rank 0. */
type Train = (folder: string, options: ReturnType<typeof finetuneOptions>, context: RunContext) => Promise<RunResult>;

/** Milliseconds between two looks at a folder that another process holds. */
const lookEvery = 1000;

/**
 * Returns the run's materials, with the sources fine-tuned first if `sourceFinetune` is given. Each fine-tuning is a
 * run of its own, which is interrupted and resumed with this one.
 * @throws L2TError as that run; INVALID_RUN if a fine-tuned source is not the one that this run began with.
 */
export async function withFinetunedSources(
  materials: Materials,
  run: OpenRun,
  context: RunContext,
  train: Train,
): Promise<Materials> {
  const { spec, data } = materials;
  if (spec.sourceFinetune === undefined) return materials;
  const results: RunResult[] = [];
  for (const source of spec.sources.keys()) results.push(await finetuned(source, materials, run, context, train));
  await context.ranks.once(() => keep(results, run));
  const checkpoints = results.map(({ network }) => network);
  return { ...materials, sources: nativeSources(spec, checkpoints, targetNetwork(spec, data)) };
}

async function finetuned(
  source: number,
  { spec }: Materials,
  run: OpenRun,
  context: RunContext,
  train: Train,
): Promise<RunResult> {
  const folder = sourceFolder(run.path, spec, source);
  const what = `fine-tuning ${fileName(spec.sources[source]?.path as string)}`;
  const sourceContext: RunContext = {
    ...context,
    emit: (event) => context.emit({ type: 'source', source, sources: spec.sources.length, event }),
    warn: (message) => context.warn(`${what}: ${message}`),
  };
  const body = () => train(folder, finetuneOptions(spec, source), sourceContext);
  try {
    const lock = await lockWhenFree(folder, context);
    return await (lock ? releaseAfter(lock, body) : body());
  } catch (error) {
    if (!(error instanceof L2TError)) throw error;
    if (error.code === 'ABORTED') throw aborted(run, context.signal);
    // Reports the cause alone: the rest of the message is about continuing the source's own folder.
    const { message } = error.code === 'DIVERGED' && error.cause instanceof L2TError ? error.cause : error;
    throw new L2TError(error.code, `${what}: ${message}`.split('\n'), { cause: error });
  }
}

/** Takes the lock of a folder on rank 0. All ranks wait while another process holds it. */
async function lockWhenFree(folder: string, { ranks, signal, warn }: RunContext): Promise<FolderLock | undefined> {
  let lock: FolderLock | undefined;
  for (let looks = 0; ; looks++) {
    const holder = await ranks
      .once(async () => {
        await makeFolder(folder);
        const taken = await FolderLock.tryAcquire(folder, warn);
        if (typeof taken === 'string') return taken;
        lock = taken;
        return null;
      })
      .catch(async (error: unknown) => {
        await lock?.release().catch(() => {});
        throw error;
      });
    if (holder === null) return lock;
    // A process that only reads a finished run holds the lock for a moment.
    if (looks === 1) warn(`${folder} is in use by ${holder}: this run waits for it`);
    await wait(lookEvery);
    await ranks.all(() => {
      if (signal?.aborted) throw new L2TError('ABORTED', 'The run was interrupted.', { cause: signal.reason });
    });
  }
}

/** Requires the fine-tuned sources to be this run's, and records them. */
async function keep(results: readonly RunResult[], { path, record, store }: OpenRun): Promise<void> {
  const sources = results.map(({ network, accuracy, seconds }) => {
    return { weights: hashTensors(network.weights), accuracy, seconds };
  });
  for (const [k, { run }] of results.entries()) {
    const { found } = await readRecord(run);
    if (found.split !== record.found.split || found.targetInit !== record.found.sources[k]) {
      throw invalidRun(
        `${run} is of other images, or of another source, than ${path}: remove it, so that it is trained again.`,
      );
    }
    if (store?.saved && sources[k]?.weights !== store.sources?.[k]?.weights) {
      throw invalidRun(`The fine-tuned source in ${run} changed since ${path} began: put it back, or start a new run.`);
    }
  }
  if (!store?.saved) await store?.saveSources(sources);
}
