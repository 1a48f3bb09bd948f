import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import type { Division } from '../data/dataset.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import type { EpochEvent, NamedTensor } from '../native/addon.js';
import { toNamedTensors, toTensorMap } from '../native/tensor.js';
import { type Checkpoint, checkpointChunks } from '../networks/checkpoint.js';
import { hasHash, withHash } from '../networks/weights/content-hash.js';
import { readSafetensors, writeSafetensors } from '../networks/weights/safetensors.js';
import { formatRecord, hashText, parseRecord, type RunRecord } from '../options/run-record.js';
import type { Log } from '../report/logs/log.js';
import { isOfLogs, openLogs } from '../report/logs/logs.js';
import { metricsLine, timingLine } from '../report/run-data.js';
import {
  cardName,
  damagedFile,
  type EpochTiming,
  type FinishedResult,
  type FoundRate,
  metricsName,
  parseResult,
  rateName,
  readRate,
  recordName,
  startAgain,
  stateName,
  timingName,
} from '../report/run-files.js';
import { listFolder, makeFolder, readText, writeFileAtomic } from '../system/files.js';
import { FolderLock, releaseAfter } from '../system/folder-lock.js';
import { parseJson } from '../system/json.js';
import { removeAll, removeLeftOvers, requireRecord, requireStartable } from './new-folder.js';

const stateFormat = 'l2t-native state';

export interface SavedRun {
  readonly state: readonly NamedTensor[];
  readonly best: readonly NamedTensor[];
  readonly result: FinishedResult | undefined;
}

/** How a run folder is locked: by the caller already, or here; `onWarning` is then told of a lock that is taken over. */
interface Locking {
  readonly locked?: true | undefined;
  readonly onWarning: (message: string) => void;
}

/**
 * The files of a run: options.yaml, split.json, rate.json (if the learning rate was found by a search), metrics.jsonl,
 * timing.jsonl, last.safetensors, best.safetensors, README.md (the model card, at the end) and state.safetensors. Each is
 * written atomically. state.safetensors is written last, so the files that it depends on exist. Beside them are the logs
 * that the options ask for.
 */
export class RunFolder {
  #rate: FoundRate | undefined;
  #metrics: string[] = [];
  #timing: string[] = [];
  #logs: readonly Log[] = [];
  #state: readonly NamedTensor[] = [];
  #saved = false;

  private constructor(
    readonly path: string,
    /** As written, but for files that are elsewhere now. */
    readonly record: RunRecord,
    private readonly written: RunRecord,
    private readonly lock: FolderLock | undefined,
  ) {}

  /** Are files of the run elsewhere now than where it began? */
  get moved(): boolean {
    return this.record !== this.written;
  }

  /**
   * Makes a new run's folder. It must be empty, except for the files of a run that saved nothing.
   * @throws L2TError INVALID_RUN, FILE_ACCESS.
   */
  static async create(path: string, record: RunRecord, division: Division, locking: Locking): Promise<RunFolder> {
    await makeFolder(path);
    return RunFolder.#locked(path, locking, async (lock) => {
      const replaced = await requireStartable(path);
      await removeLeftOvers(path);
      // Before anything is written, so that the folder never mixes the files of two runs, even if this is interrupted.
      await removeAll(path, replaced);
      const file = join(path, recordName);
      const text = formatRecord(record);
      await writeFileAtomic(join(path, 'split.json'), formatSplit(division));
      await writeFileAtomic(file, text);
      // Parsed back as a resume parses it, so that both have exactly the same record.
      const written = parseRecord(text, file);
      return new RunFolder(path, written, written, lock);
    });
  }

  /**
   * Opens the folder of a run to continue. `located` may say where the files are now that the record names, or refuse.
   * @throws L2TError INVALID_RUN if the folder holds no run, is damaged or in use; FILE_ACCESS; what `located` throws.
   */
  static async open(
    path: string,
    locking: Locking,
    located: (written: RunRecord) => RunRecord = (written) => written,
  ): Promise<RunFolder> {
    requireRecord(path);
    const file = join(path, recordName);
    return RunFolder.#locked(path, locking, async (lock) => {
      await removeLeftOvers(path);
      const written = parseRecord(await readText(file), file);
      return new RunFolder(path, located(written), written, lock);
    });
  }

  /** Takes the lock, unless the caller holds it, and releases it only if `body` fails. */
  static async #locked(
    path: string,
    { locked, onWarning }: Locking,
    body: (lock: FolderLock | undefined) => Promise<RunFolder>,
  ): Promise<RunFolder> {
    if (locked) return body(undefined);
    const lock = await FolderLock.acquire(path, onWarning);
    try {
      return await body(lock);
    } catch (error) {
      await lock.release().catch(() => {});
      throw error;
    }
  }

  /** Runs `body`, then releases the lock, unless it is the caller's. */
  use<T>(body: () => Promise<T>): Promise<T> {
    return this.lock ? releaseAfter(this.lock, body) : body();
  }

  /** The learning rate that was found for this run, if any. */
  get rate(): FoundRate | undefined {
    return this.#rate;
  }

  async saveRate(rate: FoundRate): Promise<void> {
    await writeFileAtomic(join(this.path, rateName), formatRate(rate));
    this.#rate = rate;
  }

  /** Has anything been saved from which a resume can continue? */
  get saved(): boolean {
    return this.#saved;
  }

  /** Files that a resume needs, and that somebody has removed since they were written. */
  get removed(): string[] {
    const needed = [recordName, ...(this.#rate ? [rateName] : []), ...(this.#metrics.length > 0 ? [bestName] : [])];
    return needed.filter((name) => !existsSync(join(this.path, name)));
  }

  /** Sums over the epochs: their seconds, and the steps done in that time. */
  get timing(): { readonly seconds: number; readonly steps: number } {
    const lines = this.#timing.map(parseTiming);
    return {
      seconds: lines.reduce((sum, { seconds }) => sum + seconds, 0),
      steps: lines.reduce((sum, { steps }) => sum + steps, 0),
    };
  }

  /** Begins the run's logs, or goes on with them after the saved epochs. */
  async openLogs(): Promise<void> {
    const done = this.#metrics.map((line, epoch) => ({
      metrics: JSON.parse(line),
      timing: parseTiming(this.#timing[epoch] as string),
    }));
    this.#logs = await openLogs(this.record.spec.log ?? [], this.path, done);
  }

  /** Number of processes that computed the last saved epoch, or that began the run. */
  get ranks(): number {
    const last = this.#timing.at(-1);
    return (last === undefined ? this.record.ranks : parseTiming(last).ranks) ?? 1;
  }

  /** Saves the end of an epoch that `ranks` processes computed; `network` is the target as it is now. */
  async saveEpoch(
    { metrics, seconds, steps, imagesPerSecond, best, gpuMemory, state }: EpochEvent,
    network: Checkpoint,
    ranks: number,
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
    this.#metrics.push(JSON.stringify(metrics));
    this.#timing.push(JSON.stringify(timing));
    const content = checkpointChunks(network);
    if (best) await writeFileAtomic(join(this.path, bestName), content);
    await writeFileAtomic(join(this.path, lastName), content);
    await this.#writeLines();
    for (const log of this.#logs) await log.epoch({ metrics, timing });
    await this.saveState(state);
  }

  async saveState(state: readonly NamedTensor[], result?: FinishedResult): Promise<void> {
    this.#state = state;
    const metadata = new Map([
      ['format', stateFormat],
      ['options', hashText(formatRecord(this.written))],
      ['epochs', String(this.#metrics.length)],
    ]);
    if (this.#rate) metadata.set('rate', hashText(formatRate(this.#rate)));
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
    for (const log of this.#logs) await log.end(result);
    await this.saveState(this.#state, result);
  }

  async #writeLines(): Promise<void> {
    const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
    await writeFileAtomic(join(this.path, metricsName), text(this.#metrics));
    await writeFileAtomic(join(this.path, timingName), text(this.#timing));
  }

  /**
   * Reads what was saved; undefined if the run ended before its first save. Metrics and timings are cut back to the
   * epochs that the state knows.
   * @throws L2TError INVALID_RUN, naming the file.
   */
  async load(): Promise<SavedRun | undefined> {
    this.#rate = await readRate(this.path);
    const file = join(this.path, stateName);
    if (!existsSync(file)) {
      const epochs = (await this.#written(metricsName)).split('\n').length - 1;
      // Each epoch saves a state, so somebody has removed it. What was trained must stay.
      if (epochs > 1) throw damagedFile(file, 'it is missing');
      // Left by a process that ended between its first checkpoint and its first state: a fresh start writes them again.
      const logs = (await listFolder(this.path)).filter((name) => isOfLogs(this.record.spec.log ?? [], name));
      await removeAll(this.path, [...generatedFiles, ...logs]);
      return undefined;
    }
    const { tensors, metadata } = await this.#read(stateName);
    const epochs = Number(metadata.get('epochs'));
    const isState = metadata.get('format') === stateFormat && hasHash(metadata);
    if (!isState || !Number.isSafeInteger(epochs) || epochs < 0) throw damagedFile(file, 'it is no state of a run');
    if (metadata.get('options') !== hashText(formatRecord(this.written))) {
      throw new L2TError(
        'INVALID_RUN',
        `${join(this.path, recordName)} was changed after the run was saved: put it back.`,
      );
    }
    if (metadata.get('rate') !== (this.#rate && hashText(formatRate(this.#rate)))) {
      throw damagedFile(join(this.path, rateName), 'it is missing, or was changed after the run was saved');
    }
    this.#metrics = await this.#readLines(metricsName, metricsLine, epochs);
    this.#timing = await this.#readLines(timingName, timingLine, epochs);
    const state = toNamedTensors(tensors);
    this.#state = state;
    this.#saved = true;
    await this.#writeLines();
    const best = epochs > 0 ? toNamedTensors((await this.#read(bestName)).tensors) : [];
    if (existsSync(join(this.path, lastName))) await this.#read(lastName);
    return { state, best, result: parseResult(metadata.get('result'), file) };
  }

  async #read(name: string) {
    const file = join(this.path, name);
    return readSafetensors(file).catch((error: unknown) => {
      if (!(error instanceof L2TError) || error.code !== 'INVALID_WEIGHTS') throw error;
      const problem = error.message.replace(/ Fetch or save .*$/s, '');
      const advice = name === lastName ? 'The run can go on without it: remove it.' : startAgain;
      throw new L2TError('INVALID_RUN', `${problem} ${advice}`, { cause: error });
    });
  }

  /** The text of a file; empty where it is missing. */
  async #written(name: string): Promise<string> {
    const file = join(this.path, name);
    return existsSync(file) ? readText(file) : '';
  }

  async #readLines(name: string, form: z.ZodType<{ epoch: number }>, epochs: number): Promise<string[]> {
    const file = join(this.path, name);
    const lines = (await this.#written(name)).split('\n').slice(0, epochs);
    const valid = lines.every((line, epoch) => isLine(line, form, epoch));
    if (epochs > 0 && !(valid && lines.length === epochs))
      throw damagedFile(file, `it lacks one of the first ${epochs} epochs`);
    return epochs > 0 ? lines : [];
  }
}

const parseTiming = (line: string): EpochTiming => JSON.parse(line);

const formatRate = (rate: FoundRate): string => `${JSON.stringify(rate, null, 2)}\n`;

const bestName = 'best.safetensors';
const lastName = 'last.safetensors';
const generatedFiles = [bestName, lastName, metricsName, timingName];

function isLine(line: string, form: z.ZodType<{ epoch: number }>, epoch: number): boolean {
  try {
    return form.parse(parseJson(line)).epoch === epoch;
  } catch {
    return false;
  }
}
