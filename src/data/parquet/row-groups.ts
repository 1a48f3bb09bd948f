import { throwIfAborted } from '../../system/abort.js';
import { invalidData } from '../../system/failures.js';
import { shown } from '../../system/printable.js';
import { isDamage } from '../damaged.js';
import { maxFileBytes } from '../decode.js';
import type { ParquetFile } from './file.js';

/** Encoded images of one data set stay in memory up to this many bytes, and two row groups more. */
export const maxHeldBytes = 2 ** 30;

/** An image in its column: a struct, or only its bytes. */
type Cell = Uint8Array | { readonly bytes?: Uint8Array | null; readonly path?: unknown } | null | undefined;

/** A row group, and the number of its first row among all rows of the data set. */
interface Group {
  readonly file: ParquetFile;
  /** Its index in its file. */
  readonly index: number;
  readonly first: number;
  readonly rows: number;
  /** The number of its first row in its file. */
  readonly firstInFile: number;
}

/** A row group that was read. `bytes`: as its file announces them, and once it is read, as they are. */
interface Recent {
  readonly images: Promise<readonly Cell[]>;
  bytes: number;
}

/**
 * The encoded images of some Parquet files, by row. A row group is read when one of its images is wanted, and those read
 * last stay in memory.
 */
export class RowGroups {
  readonly #groups: Group[] = [];
  readonly #recent = new Map<Group, Recent>();
  readonly #images = new Map<number, Uint8Array>();
  #imageBytes = 0;

  /** Rows count through all files. `maxBytes`: the bytes to keep in memory. */
  constructor(
    files: readonly ParquetFile[],
    readonly column: string,
    private readonly maxBytes: number = maxHeldBytes,
  ) {
    let first = 0;
    for (const file of files) {
      let firstInFile = 0;
      for (const [index, rows] of file.groups.entries()) {
        if (rows > 0) this.#groups.push({ file, index, first, rows, firstInFile });
        first += rows;
        firstInFile += rows;
      }
    }
  }

  /** The file of a row, and its number in it, from 0. */
  placeOf(row: number): { readonly file: ParquetFile; readonly row: number } {
    const { file, first, firstInFile } = this.#groupOf(row);
    return { file, row: firstInFile + row - first };
  }

  /** A row in messages: its file, and its number in it. */
  name(row: number): string {
    const location = this.placeOf(row);
    return `${location.file.path}, row ${location.row}`;
  }

  /** The encoded image of a row. */
  async image(row: number): Promise<Uint8Array> {
    const image = this.#images.get(row);
    if (image) return image;
    const group = this.#groupOf(row);
    return requireImage((await this.#read(group))[row - group.first], this.name(row));
  }

  /**
   * Reads the images of `rows` into memory, in the order of the files, for later reads in any order. False if they take
   * more than may be kept: then none is held. Damaged images are passed over.
   */
  async hold(rows: readonly number[], what: string, signal: AbortSignal | undefined): Promise<boolean> {
    let last: Group | undefined;
    for (const row of [...rows].sort((a, b) => a - b)) {
      if (this.#images.has(row)) continue;
      throwIfAborted(what, signal);
      const group = this.#groupOf(row);
      // All requested images of the last row group are held now.
      if (last && last !== group) this.#recent.delete(last);
      last = group;
      const image = await this.image(row).catch((error: unknown) => {
        if (!isDamage(error)) throw error;
      });
      if (image === undefined) continue;
      this.#imageBytes += image.length;
      if (this.#imageBytes > this.maxBytes) {
        this.#images.clear();
        this.#imageBytes = 0;
        return false;
      }
      // The image is copied, because it is a view of its whole row group.
      this.#images.set(row, Uint8Array.from(image));
    }
    return true;
  }

  #groupOf(row: number): Group {
    let [low, high] = [0, this.#groups.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#groups[middle] as Group).first <= row) low = middle;
      else high = middle - 1;
    }
    return this.#groups[low] as Group;
  }

  #read(group: Group): Promise<readonly Cell[]> {
    const recent = this.#recent.get(group) ?? this.#begin(group);
    // The group that was used last comes last in the map.
    this.#recent.delete(group);
    this.#recent.set(group, recent);
    this.#forget();
    return recent.images;
  }

  #begin(group: Group): Recent {
    const { file, index } = group;
    const column = file.read(index, this.column);
    const recent = {
      images: column.then(({ values }) => values as readonly Cell[]),
      bytes: file.bytes(index, this.column),
    };
    column.then(
      ({ bytes }) => {
        recent.bytes = bytes;
        this.#forget();
      },
      (error: unknown) => {
        // A damaged group stays damaged; after any other error, the next read tries again.
        if (!isDamage(error)) this.#recent.delete(group);
      },
    );
    return recent;
  }

  /** Forgets the row groups that were used first, until what is kept takes no more than it may. */
  #forget(): void {
    let total = [...this.#recent.values()].reduce((sum, { bytes }) => sum + bytes, this.#imageBytes);
    for (const [group, { bytes }] of this.#recent) {
      if (total <= this.maxBytes || this.#recent.size <= 2) return;
      this.#recent.delete(group);
      total -= bytes;
    }
  }
}

function requireImage(cell: Cell, name: string): Uint8Array {
  const { bytes, path } = cell instanceof Uint8Array ? { bytes: cell, path: undefined } : (cell ?? {});
  const length = bytes?.length ?? 0;
  if (bytes instanceof Uint8Array && length > 0 && length <= maxFileBytes) return bytes;
  if (length > 0) throw invalidData(`${name}: the image has ${length} bytes; at most ${maxFileBytes} are read.`);
  const instead =
    typeof path === 'string' ? `only the path of one, ${shown(path)}: write the images into it` : 'no image';
  throw invalidData(`${name} holds ${instead}.`);
}
