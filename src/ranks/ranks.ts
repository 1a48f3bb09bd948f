import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { type ErrorCode, L2TError } from '../errors.js';
import { addon, type NamedTensor, type NativeGroup } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { onAbort } from '../system/abort.js';
import { readSystem } from '../system/limits.js';
import { shown } from '../system/printable.js';
import { availableCores, defaultThreads } from '../system/threads.js';
import { packageVersion } from '../system/version.js';
import { type CheckedGroup, checkGroup, type GroupOptions } from './options.js';

/** The first message of each rank, about itself. */
type Hello = ReturnType<typeof hello>;

/** A rank's message after a part of the work: its result, or its failure. */
type Outcome<T> = { readonly ok: T } | { readonly failed: { readonly code: ErrorCode; readonly message: string } };

/** Maximum bytes of a network in one message. */
const chunk = 2 ** 23;

/**
 * The processes that compute one run together, as one of them sees it. In a run of a single process, nothing is sent. All
 * ranks must call `all`, `once`, `agree` and `network` in the same order.
 */
export class Ranks {
  /** True once this rank has sent anything since it joined. */
  #spoke = false;

  private constructor(
    readonly rank: number,
    readonly size: number,
    /** Its place among those on this host. */
    private readonly localRank: number,
    /** Number of ranks that may run on the same cores as this one, itself included. */
    private readonly sharing: number,
    /** The group as native jobs take it; undefined in a single process. */
    readonly native: NativeGroup | undefined,
  ) {}

  /**
   * Waits for the other ranks of `group`, if there is one, and leaves them after `body`. A failure reaches all ranks.
   * @throws L2TError GROUP_FAILED if some do not come; DEVICE_UNAVAILABLE where this build cannot join processes;
   * INVALID_OPTION, also if the ranks are of different versions; ABORTED.
   */
  static async use<T>(
    group: GroupOptions | undefined,
    signal: AbortSignal | undefined,
    body: (ranks: Ranks) => Promise<T>,
  ): Promise<T> {
    const ranks = await Ranks.#join(group, signal);
    try {
      const result = await body(ranks);
      ranks.native?.leave();
      return result;
    } catch (error) {
      await ranks.#tell(error);
      ranks.native?.leave(messageOf(error));
      throw error;
    }
  }

  static async #join(group: GroupOptions | undefined, signal: AbortSignal | undefined): Promise<Ranks> {
    const checked = group && checkGroup(group);
    if (checked === undefined || checked.size === 1) return new Ranks(0, 1, 0, 1, undefined);
    const { localRank, localSize, ...config } = checked;
    const native = new (addon().Group)(config);
    try {
      await unlessAborted(native.join(), signal);
      const hellos = await native.exchange(JSON.stringify(hello()));
      const all = hellos.map((text): Hello => JSON.parse(text));
      requireEqualFacts(all.map(({ version }) => [{ what: 'version', value: version, code: 'INVALID_OPTION' }]));
      const { rank, size } = config;
      return new Ranks(rank, size, localRank ?? placeOf(rank, all), sharingOf(rank, all, localSize), native);
    } catch (error) {
      native.leave(messageOf(error));
      throw error;
    }
  }

  /** True for the rank that writes and reports. */
  get first(): boolean {
    return this.rank === 0;
  }

  /** CPU threads of this rank if none are given: its share of the cores. */
  get threads(): number {
    return this.sharing === 1 || process.env.OMP_NUM_THREADS !== undefined
      ? defaultThreads()
      : Math.max(1, Math.floor(availableCores() / this.sharing));
  }

  /** Returns the device that `name` means for this rank: the GPU of its place on the host, if `name` leaves it open. */
  device(name: string): { readonly device: string; readonly reason: string } {
    const found = addon().device(name);
    const chosen = this.size > 1 && (name === 'auto' || name === 'cuda') && found.device.startsWith('cuda');
    return chosen ? addon().device(`cuda:${this.localRank}`) : found;
  }

  /**
   * Does a part of the work on each rank, and waits until all have done it. Returns all results, which must be JSON, in
   * the order of ranks. If it fails on one rank, it fails on all: the others' error names the rank.
   */
  async all<T>(body: () => Promise<T> | T): Promise<readonly T[]> {
    if (this.native === undefined) return [await body()];
    let outcome: Outcome<T>;
    let failure: { readonly error: unknown } | undefined;
    try {
      outcome = { ok: await body() };
    } catch (error) {
      if (isLost(error)) throw error;
      failure = { error };
      outcome = failed(error);
    }
    const outcomes = await this.#exchange(outcome);
    if (failure) throw failure.error;
    return outcomes.map((other, rank) => {
      if ('ok' in other) return other.ok;
      throw new L2TError(other.failed.code, `Rank ${rank}: ${other.failed.message}`.split('\n'));
    });
  }

  /** Does a part of the work on rank 0. All ranks return its result, which must be JSON. */
  async once<T>(body: () => Promise<T> | T): Promise<T> {
    const [result] = await this.all(() => (this.first ? body() : undefined));
    return result as T;
  }

  /**
   * Does a part of the work on each rank, and compares what the ranks must have in common. Returns this rank's result.
   * @throws L2TError that names what differs, and on which rank; else as `all`.
   */
  async agree<T>(body: () => Promise<T>, factsOf: (result: T) => readonly Fact[]): Promise<T> {
    let result: { readonly value: T } | undefined;
    const facts = await this.all(async () => {
      result = { value: await body() };
      return this.native === undefined ? [] : factsOf(result.value);
    });
    requireEqualFacts(facts);
    return (result as { readonly value: T }).value;
  }

  /** Loads the network in a file: each rank reads it; if some do not see it, rank 0 reads it and sends it to them. */
  async network(path: string): Promise<Checkpoint> {
    const seen = await this.all(() => existsSync(path));
    if (seen.every((here) => here)) return loadCheckpoint(path);
    let read: Checkpoint | undefined;
    const { weights, ...head } = await this.once(async () => {
      read = await loadCheckpoint(path);
      return {
        ...read,
        weights: read.weights.map(({ name, dtype, shape, data }) => ({ name, dtype, shape, bytes: data.length })),
      };
    });
    const sent: NamedTensor[] = [];
    for (const [k, { bytes, ...tensor }] of weights.entries()) {
      sent.push({ ...tensor, data: await this.#send(read?.weights[k]?.data, bytes) });
    }
    return { ...head, weights: sent };
  }

  /** Sends bytes from rank 0 to the others; `data` is set on rank 0 alone. */
  async #send(data: Uint8Array | undefined, bytes: number): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    for (let start = 0; start < bytes; start += chunk) {
      const part = await this.once(() => Buffer.from(data?.subarray(start, start + chunk) ?? []).toString('base64'));
      parts.push(Buffer.from(part, 'base64'));
    }
    return new Uint8Array(Buffer.concat(parts));
  }

  /** Sends a failure to the other ranks, if they may still wait for this rank's first message. */
  async #tell(error: unknown): Promise<void> {
    if (this.native === undefined || this.#spoke || isLost(error)) return;
    await this.#exchange(failed(error)).catch(() => {});
  }

  async #exchange<T>(outcome: Outcome<T>): Promise<Outcome<T>[]> {
    this.#spoke = true;
    // JSON has no undefined: an absent result stays absent.
    const texts = await (this.native as NativeGroup).exchange(JSON.stringify(outcome));
    return texts.map((text) => {
      const value = JSON.parse(text) as Partial<Outcome<T>>;
      return ('failed' in value ? value : { ok: undefined, ...value }) as Outcome<T>;
    });
  }
}

/** Checks whether another rank is lost: nothing can be exchanged any more. */
const isLost = (error: unknown): boolean => error instanceof L2TError && error.code === 'GROUP_FAILED';

function failed(error: unknown): Outcome<never> {
  const code = error instanceof L2TError ? error.code : 'INTERNAL';
  return { failed: { code, message: messageOf(error) } };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function hello() {
  /** The cores on which it may run, as Linux writes them. */
  const cores = /^Cpus_allowed_list:\s*(\S+)/m.exec(readSystem('/proc/self/status'))?.[1] ?? '';
  return { version: packageVersion(), host: hostname(), cores };
}

/** Returns the place of a rank among those on its host, by the order of ranks. */
const placeOf = (rank: number, all: readonly Hello[]): number =>
  all.slice(0, rank).filter(({ host }) => host === all[rank]?.host).length;

/** Counts the ranks on the same cores. Launchers such as mpirun bind each to its own: only equal sets are shared. */
function sharingOf(rank: number, all: readonly Hello[], localSize: CheckedGroup['localSize']): number {
  const self = all[rank] as Hello;
  const sharing = all.filter(({ host, cores }) => host === self.host && cores === self.cores).length;
  return Math.min(sharing, localSize ?? sharing);
}

/** Awaits the promise. @throws L2TError ABORTED as soon as the signal fires. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  let forget = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const stop = () =>
      reject(new L2TError('ABORTED', 'Waiting for the other ranks was interrupted.', { cause: signal?.reason }));
    forget = onAbort(signal, stop);
    if (signal?.aborted) stop();
  });
  promise.catch(() => {});
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    forget();
  }
}

/** A fact that all ranks must have in common. */
export interface Fact {
  /** Its name in a message, as `{epochs}` or 'the data'. */
  readonly what: string;
  /** Any value that JSON can hold. */
  readonly value: unknown;
  /** Code of the error if it differs. */
  readonly code: ErrorCode;
  /** True if the value means nothing to a person, such as a hash. */
  readonly hidden?: boolean;
}

/**
 * Compares the facts of all ranks, in the order of ranks, with those of rank 0.
 * @throws L2TError that names the first one that differs, and the rank.
 */
function requireEqualFacts(all: readonly (readonly Fact[])[]): void {
  const [first = []] = all;
  all.forEach((facts, rank) => {
    // Options come first: a hash says less than an option from which it may follow.
    const both = [...first, ...facts].sort((a, b) => Number(a.hidden ?? false) - Number(b.hidden ?? false));
    const names = [...new Set(both.map(({ what }) => what))];
    for (const what of names) {
      const [expected, found] = [first, facts].map((list) => list.find((fact) => fact.what === what));
      if (JSON.stringify(expected?.value) !== JSON.stringify(found?.value)) throw differs(what, rank, expected, found);
    }
  });
}

function differs(what: string, rank: number, expected: Fact | undefined, found: Fact | undefined): L2TError {
  const fact = (expected ?? found) as Fact;
  const values = fact.hidden ? '' : `: ${written(found)} there, ${written(expected)} on rank 0`;
  return new L2TError(
    fact.code,
    `Rank ${rank} differs from rank 0 in ${what}${values}. All ranks of a run must have the same.`,
  );
}

const written = (fact: Fact | undefined): string =>
  fact?.value === undefined ? 'not given' : shown(JSON.stringify(fact.value), 200);
