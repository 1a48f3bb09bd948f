import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Division } from '../data/dataset.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import type { EpochEvent, EpochMetrics, NamedTensor } from '../native/addon.js';
import { toNamedTensors, toTensorMap } from '../native/tensor.js';
import { type Checkpoint, checkpointChunks } from '../networks/checkpoint.js';
import { hasHash, withHash } from '../networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../networks/weights/safetensors.js';
import { isOfLogs } from '../options/logs.js';
import { invalidRun } from '../system/failures.js';
import { listFolder, makeFolder, writeFileAtomic } from '../system/files.js';
import { FolderLock, releaseAfter, releaseOnFailure } from './lock.js';
import { removeAll, removeLeftOvers, requireRecord, requireStartable } from './new-folder.js';
import { formatRecord, type RunRecord } from './record.js';
import {
  bestName,
  cardName,
  damagedFile,
  type EpochTiming,
  type FinetunedSource,
  type FinishedResult,
  type FoundRates,
  metricsName,
  parseResult,
  type RunData,
  rateName,
  readProgress,
  readRecord,
  recordName,
  sourcesName,
  startAgain,
  stateName,
  timingName,
  totalOf,
} from './run-data.js';

const stateFormat = 'l2t-native state';
const lastName = 'last.safetensors';

/** An epoch as metrics.jsonl and timing.jsonl have it. */
export interface SavedEpoch {
  readonly metrics: EpochMetrics;
  readonly timing: EpochTiming;
}

/** The state from which a resume continues. */
export type SavedRun = NonNullable<Awaited<ReturnType<RunStore['load']>>>;

/** The lock of a run's folder: held by the caller, or taken here; `onWarning` is then told of a takeover. */
interface Locking {
  readonly locked?: true | undefined;
  readonly onWarning: (message: string) => void;
}

/**
 * The folder of a run. This class alone reads and writes the files that a resume needs: options.yaml, split.json,
 * sources.json (of sources that were fine-tuned first), rate.json (learning rates that were found), metrics.jsonl,
 * timing.jsonl, last.safetensors, best.safetensors, README.md (the model card, at the end) and state.safetensors. Each
 * is written atomically. state.safetensors is written last, so the files that it depends on exist.
 */
export class RunStore {
  #rates: FoundRates | undefined;
  #sources: readonly FinetunedSource[] | undefined;
  #epochs: SavedEpoch[] = [];
  #state: readonly NamedTensor[] = [];
  #saved = false;

  private constructor(
    readonly path: string,
    /** The record as written, except for files that are elsewhere now. */
    readonly record: RunRecord,
    private readonly written: RunRecord,
    private readonly lock: FolderLock | undefined,
  ) {}

  /** True if files of the run are elsewhere now than when it began. */
  get moved(): boolean {
    return this.record !== this.written;
  }

  /**
   * Makes a new run's folder. It must be empty, except for the files of a run that saved nothing.
   * @throws L2TError INVALID_RUN, FILE_ACCESS.
   */
  static async create(path: string, record: RunRecord, division: Division, locking: Locking): Promise<RunStore> {
    await makeFolder(path);
    return RunStore.#locked(path, locking, async (lock) => {
      const replaced = await requireStartable(path);
      await removeLeftOvers(path);
      // This precedes all writes, so that the folder never mixes the files of two runs, even if it is interrupted.
      await removeAll(path, replaced);
      await writeFileAtomic(join(path, 'split.json'), formatSplit(division));
      await writeFileAtomic(join(path, recordName), formatRecord(record));
      return new RunStore(path, record, record, lock);
    });
  }

  /**
   * Opens the folder of a run to continue. `located` may return the record with the current paths of files, or refuse.
   * @throws L2TError INVALID_RUN if the folder holds no run, is damaged or in use; FILE_ACCESS; what `located` throws.
   */
  static async open(
    path: string,
    locking: Locking,
    located: (written: RunRecord) => RunRecord = (written) => written,
  ): Promise<RunStore> {
    await requireRecord(path);
    return RunStore.#locked(path, locking, async (lock) => {
      await removeLeftOvers(path);
      const written = await readRecord(path);
      return new RunStore(path, located(written), written, lock);
    });
  }

  /** Takes the lock, unless the caller holds it, and releases it only if `body` fails. */
  static async #locked(
    path: string,
    { locked, onWarning }: Locking,
    body: (lock: FolderLock | undefined) => Promise<RunStore>,
  ): Promise<RunStore> {
    if (locked) return body(undefined);
    const lock = await FolderLock.acquire(path, onWarning);
    return releaseOnFailure(lock, () => body(lock));
  }

  /** Runs `body`, then releases the lock, unless it is the caller's. */
  use<T>(body: () => Promise<T>): Promise<T> {
    return this.lock ? releaseAfter(this.lock, body) : body();
  }

  /** The learning rates that were found for this run, if any. */
  get rates(): FoundRates | undefined {
    return this.#rates;
  }

  async saveRates(rates: FoundRates): Promise<void> {
    await writeFileAtomic(join(this.path, rateName), formatFound(rates));
    this.#rates = rates;
  }

  /** The sources that were fine-tuned for this run. */
  get sources(): readonly FinetunedSource[] | undefined {
    return this.#sources;
  }

  async saveSources(sources: readonly FinetunedSource[]): Promise<void> {
    await writeFileAtomic(join(this.path, sourcesName), formatFound(sources));
    this.#sources = sources;
  }

  /** Values found before training: the key in the state, the file, and the JSON that a resume must find again. */
  get #found() {
    const sources = this.#sources?.map(({ weights }) => weights);
    const found = [['rate', rateName, this.#rates] as const, ['sources', sourcesName, sources] as const];
    return found.map(([key, name, value]) => ({ key, name, json: value && formatFound(value) }));
  }

  /** True if anything has been saved from which a resume can continue. */
  get saved(): boolean {
    return this.#saved;
  }

  /** The epochs that are saved. */
  get epochs(): readonly SavedEpoch[] {
    return this.#epochs;
  }

  /** The data of a report while the run goes on. */
  get data(): RunData {
    const [metrics, timing] = [this.#epochs.map((epoch) => epoch.metrics), this.#epochs.map((epoch) => epoch.timing)];
    const { path: folder, record, rates, sources } = this;
    return { folder, record, rates, sources, metrics, timing, result: undefined, status: { state: 'running' } };
  }

  /** Files that a resume needs, and that somebody has removed since they were written. */
  get removed(): string[] {
    const found = this.#found.flatMap(({ name, json }) => (json ? [name] : []));
    const needed = [recordName, ...found, ...(this.#epochs.length > 0 ? [bestName] : [])];
    return needed.filter((name) => !existsSync(join(this.path, name)));
  }

  get timing(): ReturnType<typeof totalOf> {
    return totalOf(this.#epochs.map(({ timing }) => timing));
  }

  /** Number of processes that computed the last saved epoch, or that began the run. */
  get ranks(): number {
    const last = this.#epochs.at(-1);
    return last === undefined ? this.record.ranks : (last.timing.ranks ?? 1);
  }

  /**
   * Saves the end of an epoch that `ranks` processes computed; `network` is the target as it is now. `log` is called
   * before the state is written, so that a log lacks no saved epoch.
   */
  async saveEpoch(
    { metrics, seconds, steps, imagesPerSecond, best, gpuMemory, state }: EpochEvent,
    network: Checkpoint,
    ranks: number,
    log: (epoch: SavedEpoch) => Promise<void>,
  ): Promise<void> {
    const peakMemory = 1024 * process.resourceUsage().maxRSS;
    const timing = {
      epoch: metrics.epoch,
      seconds,
      steps,
      ...(steps > 0 && { imagesPerSecond }),
      peakMemory,
      ...(gpuMemory && { gpuMemory }),
      ...(ranks > 1 && { ranks }),
    };
    this.#epochs.push({ metrics, timing });
    const content = checkpointChunks(network);
    if (best) await writeFileAtomic(join(this.path, bestName), content);
    await writeFileAtomic(join(this.path, lastName), content);
    await this.#writeLines();
    await log({ metrics, timing });
    await this.saveState(state);
  }

  async saveState(state: readonly NamedTensor[], result?: FinishedResult): Promise<void> {
    this.#state = state;
    const metadata = new Map([
      ['format', stateFormat],
      ['options', hash('sha256', formatRecord(this.written))],
      ['epochs', String(this.#epochs.length)],
    ]);
    for (const { key, json } of this.#found) if (json) metadata.set(key, hash('sha256', json));
    if (result) metadata.set('result', JSON.stringify(result));
    const tensors = toTensorMap(state);
    await writeSafetensors(join(this.path, stateName), tensors, withHash(tensors, metadata));
    this.#saved = true;
  }

  /**
   * Writes the model card, then marks the run as finished. A README.md that is there already stays: it is the person's,
   * or this run's, written before its end was saved.
   */
  async saveResult(result: FinishedResult, card: string): Promise<void> {
    const file = join(this.path, cardName);
    if (!existsSync(file)) await writeFileAtomic(file, card);
    await this.saveState(this.#state, result);
  }

  async #writeLines(): Promise<void> {
    const lines = (key: keyof SavedEpoch) => this.#epochs.map((epoch) => `${JSON.stringify(epoch[key])}\n`).join('');
    await writeFileAtomic(join(this.path, metricsName), lines('metrics'));
    await writeFileAtomic(join(this.path, timingName), lines('timing'));
  }

  /**
   * Reads the saved state; undefined if the run ended before its first save. Metrics and timings are cut back to the
   * epochs that the state knows.
   * @throws L2TError INVALID_RUN, naming the file.
   */
  async load() {
    const file = join(this.path, stateName);
    if (!existsSync(file)) {
      const { rates, sources, metrics } = await readProgress(this.path);
      [this.#rates, this.#sources] = [rates, sources];
      // Each epoch saves a state, so somebody has removed it. The trained network must stay.
      if (metrics.length > 1) throw damagedFile(file, 'it is missing');
      // A process left these that ended between its first checkpoint and its first state: a new start rewrites them.
      const logs = (await listFolder(this.path)).filter((name) => isOfLogs(this.record.spec.log ?? [], name));
      await removeAll(this.path, [bestName, lastName, metricsName, timingName, ...logs]);
      return undefined;
    }
    const { tensors, metadata } = await this.#read(stateName);
    const epochs = Number(metadata.get('epochs'));
    const isState = metadata.get('format') === stateFormat && hasHash(metadata);
    if (!isState || !Number.isSafeInteger(epochs) || epochs < 0) throw damagedFile(file, 'it is no state of a run');
    const { rates, sources, metrics, timing } = await readProgress(this.path, epochs);
    [this.#rates, this.#sources] = [rates, sources];
    if (metadata.get('options') !== hash('sha256', formatRecord(this.written))) {
      throw invalidRun(`${join(this.path, recordName)} was changed after the run was saved: put it back.`);
    }
    for (const { key, name, json } of this.#found) {
      if (metadata.get(key) === (json && hash('sha256', json))) continue;
      throw damagedFile(join(this.path, name), 'it is missing, or was changed after the run was saved');
    }
    for (const [name, lines] of [[metricsName, metrics] as const, [timingName, timing] as const]) {
      if (lines.length < epochs) throw damagedFile(join(this.path, name), `it lacks one of the first ${epochs} epochs`);
    }
    this.#epochs = metrics.map((each, epoch) => ({ metrics: each, timing: timing[epoch] as EpochTiming }));
    this.#state = toNamedTensors(tensors);
    this.#saved = true;
    await this.#writeLines();
    const best = epochs > 0 ? toNamedTensors((await this.#read(bestName)).tensors) : [];
    if (existsSync(join(this.path, lastName))) await this.#read(lastName);
    return { state: this.#state, best, result: parseResult(metadata.get('result'), file) };
  }

  async #read(name: string) {
    const file = join(this.path, name);
    return readSafetensors(file).catch((error: unknown) => {
      if (!(error instanceof L2TError) || error.code !== 'INVALID_WEIGHTS') throw error;
      const problem = error.message.replace(/ Fetch or save .*$/s, '');
      const advice = name === lastName ? 'The run can go on without it: remove it.' : startAgain;
      throw invalidRun(`${problem} ${advice}`, error);
    });
  }
}

const formatFound = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
