import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { throwIfAborted } from '../system/abort.js';
import { fileError } from '../system/files.js';

/** Options of a call that lists a data folder. */
export interface ListingOptions {
  /** Aborts the call: it throws L2TError ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of folder entries looked at so far, but only if listing takes longer than half a second. */
  readonly onListed?: ((entries: number) => void) | undefined;
}

/** The search for a layout ends after this many entries if nothing fits: the folder may be a whole disk. */
export const mostStrange = 10_000;

/** Milliseconds between two calls of `onListed`. */
const saidEvery = 500;
/** Number of entries read from the system at once. */
const together = 1024;

/** Lists the folders of one data set. There may be millions of entries, so it reports progress and can be aborted. */
export class Walk {
  #entries = 0;
  #said = performance.now();

  constructor(
    private readonly folder: string,
    private readonly options: ListingOptions = {},
  ) {}

  /** Throws ABORTED if the signal has fired, and reports progress. Call it in every loop over entries. */
  check(): void {
    throwIfAborted(`Loading ${this.folder}`, this.options.signal);
    if (performance.now() - this.#said < saidEvery) return;
    this.#said = performance.now();
    this.options.onListed?.(this.#entries);
  }

  /** A folder's entries, one by one in the system's order, without hidden ones. */
  async *each(folder: string): AsyncGenerator<Dirent, void> {
    try {
      for await (const entry of await opendir(folder, { bufferSize: together })) {
        this.#entries++;
        this.check();
        if (!entry.name.startsWith('.')) yield entry;
      }
      this.check();
    } catch (error) {
      throw fileError('read', folder, error);
    }
  }

  /** The names of a folder's entries, at most `most`, sorted by code unit; empty if the folder does not exist. */
  async names(folder: string, most?: number): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name } of this.each(folder)) {
        names.push(name);
        if (names.length === most) break;
      }
    } catch (error) {
      const { code } = (error as { cause?: NodeJS.ErrnoException }).cause ?? {};
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
    return names.sort();
  }
}
