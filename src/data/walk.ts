import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { throwIfAborted } from '../system/abort.js';
import { fileError } from '../system/files.js';

/** What a caller may ask of the listing of a data folder. */
export interface ListingOptions {
  /** Ends it with ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called twice a second while it lasts: entries of folders looked at so far. */
  readonly onListed?: ((entries: number) => void) | undefined;
}

/** Entries after which a folder in which nothing fits a layout is given up: it may be a whole disk. */
export const mostStrange = 10_000;

/** Milliseconds. */
const saidEvery = 500;
/** Entries that the system is asked for at once. */
const together = 1024;

/** Lists the folders of one data set. There may be millions of entries, so it can be watched and ended at any of them. */
export class Walk {
  #entries = 0;
  #said = performance.now();

  constructor(
    private readonly folder: string,
    private readonly options: ListingOptions = {},
  ) {}

  /** Throws ABORTED once the signal has fired. To be called wherever something is done for each entry. */
  check(): void {
    throwIfAborted(`Loading ${this.folder}`, this.options.signal);
    if (performance.now() - this.#said < saidEvery) return;
    this.#said = performance.now();
    this.options.onListed?.(this.#entries);
  }

  /** A folder's entries in the system's order, one by one; hidden ones left out. */
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

  /** The names of a folder's entries, at most `most`, sorted by code unit; none where there is no such folder. */
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
