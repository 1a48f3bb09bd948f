import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { extname } from 'node:path';
import type { L2TError } from '../errors.js';
import { type Layout, layoutNames, layouts, type SplitName } from '../options/datasets.js';
import { throwIfAborted } from '../system/abort.js';
import { invalidData } from '../system/failures.js';
import { fileError } from '../system/files.js';
import { printable, shown, someOf } from '../system/printable.js';
import { sum } from '../system/statistics.js';
import type { Dataset } from './dataset.js';
import { heicAdvice } from './decode.js';

/** The columns of images and of labels, as the person names them. */
export interface ColumnNames {
  readonly imageColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** How to read a data set. */
export interface ReadingKind extends ColumnNames {
  /** False: the images need no labels, and none is read. */
  readonly labels?: false | undefined;
}

/** Properties of a data set that its files may not show. */
export interface DataKind extends ReadingKind {
  readonly layout?: Layout | undefined;
}

/** Recognises and lists data sets of one layout. */
export interface LayoutReader {
  readonly layout: Layout;
  /** The names of single files that are such a data set; undefined if it is always a folder. */
  readonly file?: RegExp;
  /** True if the person may name the columns. */
  readonly hasColumns?: true;
  /**
   * The folder that holds the data set (`folder`, or the archive's own folder inside it), or its file, if at least part
   * of the layout is there; else undefined. `names`: the folder's entries without hidden ones, sorted; if there are very many, some
   * of them. `asked.layout` is this layout if the person named it.
   *
   * Throws INVALID_DATA if the person named this layout and it is clear what is wrong.
   */
  find(folder: string, names: readonly string[], walk: Walk, asked: DataKind): Promise<string | undefined>;
  /**
   * Lists the images without decoding any. `folder` is the result of `find`, or a file whose name matches `file`.
   *
   * Throws INVALID_DATA, naming what is missing or wrong and what was found; INVALID_OPTION about columns; FILE_ACCESS;
   * ABORTED by `walk`.
   */
  open(folder: string, walk: Walk, columns: ReadingKind): Promise<Dataset>;
}

/** INVALID_DATA for a folder that is no data set: it states the `problem` and lists the supported layouts. */
export function unknownLayout(folder: string, problem: string, advice = ''): L2TError {
  const understood = layoutNames.map((name) => `  - ${name}: ${layouts[name]}`);
  return invalidData([`${folder} ${problem}.${advice} Understood are:`, ...understood]);
}

export function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

/** The first few names, for an error message. */
export const nameSome = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : someOf(names, 8));

/** Entries of a data folder that are no images, by type. */
export class PassedOver {
  #first = '';
  readonly #types = new Map<string, number>();

  add(path: string): void {
    this.#first ||= path;
    const type = shown(extname(path).toLowerCase()) || 'without an extension';
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
  }

  /** Follows a sentence: ` (12 .heic, 3 .tiff)`; empty if there are none. */
  get types(): string {
    const byCount = [...this.#types].sort(([, a], [, b]) => b - a).map(([type, count]) => `${count} ${type}`);
    return byCount.length === 0 ? '' : ` (${nameSome(byCount)})`;
  }

  /** How to read what can be converted, after a sentence. */
  get advice(): string {
    return this.#types.has('.heic') || this.#types.has('.heif') ? ` ${heicAdvice}` : '';
  }

  /** The warning about them, if there are any. `which` says what they are. */
  warning(folder: string, which: string): string[] {
    const count = sum([...this.#types.values()]);
    if (count === 0) return [];
    const passed = `${folder}: passed over ${count} entries${this.types}${which} (first: ${this.#first}).`;
    return [printable(passed) + this.advice];
  }
}

/** Options of a call that lists a data folder. */
export interface ListingOptions {
  /** Aborts the call: it throws L2TError ABORTED. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of folder entries looked at so far, but only if listing takes longer than half a second. */
  readonly onListed?: ((entries: number) => void) | undefined;
}

/** The search for a layout ends after this many entries if nothing fits: the folder may be a whole disk. */
export const maxUnknown = 10_000;

/** Milliseconds between two calls of `onListed`. */
const reportEvery = 500;
/** Number of entries read from the system at once. */
const together = 1024;

/** Lists the folders of one data set. There may be millions of entries, so it reports progress and can be aborted. */
export class Walk {
  #entries = 0;
  #reported = performance.now();

  constructor(
    private readonly folder: string,
    readonly options: ListingOptions = {},
  ) {}

  /** Throws ABORTED if the signal has fired, and reports progress. Call it in every loop over entries. */
  check(): void {
    throwIfAborted(`Loading ${this.folder}`, this.options.signal);
    if (performance.now() - this.#reported < reportEvery) return;
    this.#reported = performance.now();
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

  /** The names of a folder's entries, at most `max`, sorted by code unit; empty if the folder does not exist. */
  async names(folder: string, max?: number): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name } of this.each(folder)) {
        names.push(name);
        if (names.length === max) break;
      }
    } catch (error) {
      const { code } = (error as { cause?: NodeJS.ErrnoException }).cause ?? {};
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
    }
    return names.sort();
  }
}

/** The splits that folders beside one another may be called, in lower case. */
export const splitOfFolder: ReadonlyMap<string, SplitName> = new Map([
  ['train', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['test', 'test'],
]);

/** Names of splits in tables and in names of files of tables. Hugging Face's `datasets` knows the same names. */
const inTables: ReadonlyMap<string, SplitName> = new Map([
  ...splitOfFolder,
  ['training', 'train'],
  ['dev', 'validation'],
  ['testing', 'test'],
  ['eval', 'test'],
  ['evaluation', 'test'],
]);

/** The split that a table's cell, or a word of a file's name, means. */
export const splitCalled = (name: string): SplitName | undefined => inTables.get(name.toLowerCase());

/** All names that `splitCalled` knows, for messages. */
export const splitWords = [...inTables.keys()].join(', ');
