import { promisify } from 'node:util';
import { constants, inflate } from 'node:zlib';
import type { L2TError } from '../errors.js';
import { invalidData } from '../system/failures.js';
import { fromPlanes, type ImageList, imageArray } from './dataset.js';
import { maxDeflateRatio, readWhole } from './reading.js';

/** A value in a MAT file. Arrays are column-major: the first dimension runs fastest. */
export type MatValue =
  | { readonly kind: 'numbers'; readonly dims: readonly number[]; readonly data: Uint8Array | Float64Array }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'cells'; readonly dims: readonly number[]; readonly cells: readonly MatValue[] }
  /** A struct, a sparse or complex array, text of several rows, …: no data set needs them. */
  | { readonly kind: 'other' };

/** A part of a file that states its own type and length. */
interface Element {
  readonly type: number;
  readonly data: Buffer;
}

const headerBytes = 128;
const matrix = 14;
const compressed = 15;
/** Nesting depth of cells. */
const maxDepth = 16;
/** Cells of a file: each takes some 400 bytes, and the sets that are read have 100,000. */
const maxCells = 2 ** 20;
/** Numbers of a file that become float64. */
const maxConverted = 2 ** 24;

type ReadNumber = (data: DataView, at: number, littleEndian: boolean) => number;

/** Storage type of numbers → size in bytes, and how to read one. MATLAB uses the smallest type that fits. */
const numberTypes: ReadonlyMap<number, readonly [size: number, read: ReadNumber]> = new Map([
  [1, [1, (data, at) => data.getInt8(at)]],
  [2, [1, (data, at) => data.getUint8(at)]],
  [3, [2, (data, at, littleEndian) => data.getInt16(at, littleEndian)]],
  [4, [2, (data, at, littleEndian) => data.getUint16(at, littleEndian)]],
  [5, [4, (data, at, littleEndian) => data.getInt32(at, littleEndian)]],
  [6, [4, (data, at, littleEndian) => data.getUint32(at, littleEndian)]],
  [7, [4, (data, at, littleEndian) => data.getFloat32(at, littleEndian)]],
  [9, [8, (data, at, littleEndian) => data.getFloat64(at, littleEndian)]],
  [12, [8, (data, at, littleEndian) => Number(data.getBigInt64(at, littleEndian))]],
  [13, [8, (data, at, littleEndian) => Number(data.getBigUint64(at, littleEndian))]],
]);
const uint8 = 2;

/** Storage type of text → encoding. */
const textTypes: ReadonlyMap<number, BufferEncoding> = new Map([
  [1, 'latin1'],
  [2, 'latin1'],
  [4, 'utf16le'],
  [16, 'utf8'],
  [17, 'utf16le'],
]);

/**
 * The variables of a MAT file of level 5 (MATLAB's -v6 and -v7), by name. Arrays of bytes are views of the file or of
 * the decompressed data; other numbers become float64. At most `limit` bytes are read, and at most `limit`
 * decompressed.
 */
export async function readMat(file: string, limit: number): Promise<ReadonlyMap<string, MatValue>> {
  const bytes = await readWhole(file, limit);
  const reader = new MatReader(file, isLittleEndian(file, bytes));
  const variables = new Map<string, MatValue>();
  let room = limit;
  for (const element of reader.elements(bytes.subarray(headerBytes))) {
    let variable = element;
    if (element.type === compressed) {
      const unpacked = await reader.inflate(element.data, room);
      room -= unpacked.length;
      [variable = element] = reader.elements(unpacked);
    }
    const { name, value } = reader.variable(variable, 0);
    variables.set(name, value);
  }
  return variables;
}

/** Checks the header and returns its byte order. Throws INVALID_DATA if the file is not of level 5. */
function isLittleEndian(file: string, bytes: Buffer): boolean {
  const signature = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
  const advice = "In MATLAB, save(…, '-v7') writes one that is read.";
  if ([0, 512].some((at) => bytes.subarray(at, at + 8).equals(signature))) {
    throw invalidData(`${file} is a MAT file of version 7.3 (HDF5), which is not read. ${advice}`);
  }
  if (isLevel4(bytes)) throw invalidData(`${file} is a MAT file of level 4, which is not read. ${advice}`);
  const end = bytes.toString('latin1', 124, headerBytes);
  if (end === '\x00\x01IM') return true;
  if (end === '\x01\x00MI') return false;
  throw invalidData(`${file} is no MAT file of level 5: its header is not one. Fetch it again.`);
}

/** A level 4 header has five int32 of either byte order: type, rows, columns, complex (0 or 1), length of the name. */
function isLevel4(bytes: Buffer): boolean {
  if (bytes.length < 20) return false;
  const small = [bytes.readUInt32LE(0), bytes.readUInt32BE(0)].some((type) => type <= 4052);
  const nameLength = Math.min(bytes.readUInt32LE(16), bytes.readUInt32BE(16));
  return small && Math.min(bytes.readUInt32LE(12), bytes.readUInt32BE(12)) <= 1 && nameLength > 0 && nameLength < 256;
}

class MatReader {
  #cells = 0;
  #converted = 0;

  constructor(
    readonly file: string,
    readonly littleEndian: boolean,
  ) {}

  /** The elements in `bytes`, one after another. */
  *elements(bytes: Buffer): Generator<Element, undefined> {
    for (let at = 0; at < bytes.length; ) {
      if (at + 8 > bytes.length) throw this.damaged('it is cut short');
      const first = this.uint32(bytes, at);
      // Up to four bytes of data are stored in the tag itself, after type and length (16 bits each).
      const small = first >>> 16 !== 0;
      const type = small ? first & 0xffff : first;
      const length = small ? first >>> 16 : this.uint32(bytes, at + 4);
      const start = at + (small ? 4 : 8);
      if (start + length > (small ? at + 8 : bytes.length)) {
        throw this.damaged(`it announces ${length} bytes where fewer are left, so it is cut short`);
      }
      yield { type, data: bytes.subarray(start, start + length) };
      const padded = type === compressed ? length : Math.ceil(length / 8) * 8;
      at = small ? at + 8 : start + padded;
    }
  }

  /** Decompresses an element. The result, at most `room` bytes, is one element with its tag. */
  async inflate(packed: Buffer, room: number): Promise<Buffer> {
    try {
      const start = await promisify(inflate)(packed.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
      if (start.length < 8) throw new Error('it holds nothing');
      const length = 8 + this.uint32(start, 4);
      if (length > Math.min(packed.length * maxDeflateRatio, room)) {
        throw new Error(`it announces ${length} bytes, more than it can hold or than are read`);
      }
      // One chunk that is large enough for all of it, so that the content is not copied.
      return await promisify(inflate)(packed, { maxOutputLength: length, chunkSize: Math.max(64, length + 1) });
    } catch (cause) {
      throw this.damaged(`a variable cannot be decompressed (${(cause as Error).message})`, cause);
    }
  }

  /** Reads a variable, or a cell of one. */
  variable(element: Element, depth: number): { readonly name: string; readonly value: MatValue } {
    if (element.type !== matrix) throw this.damaged(`an element of type ${element.type} stands for a variable`);
    // An empty cell may have no content at all.
    if (element.data.length === 0)
      return { name: '', value: { kind: 'numbers', dims: [0, 0], data: new Uint8Array() } };
    if (depth > maxDepth) throw this.damaged(`cells lie within cells more than ${maxDepth} deep`);
    const parts = this.elements(element.data);
    const flags = this.part(parts);
    if (flags.data.length !== 8) throw this.damaged('a variable does not begin with its flags');
    const word = this.uint32(flags.data, 0);
    const arrayClass = word & 0xff;
    // Functions and objects of newer kinds have no dimensions.
    if (arrayClass > 15) return { name: '', value: { kind: 'other' } };
    const dims = this.dims(this.part(parts));
    const name = this.part(parts).data.toString('latin1');
    const isComplex = (word & 0x800) !== 0;
    return { name, value: isComplex ? { kind: 'other' } : this.value(arrayClass, dims, parts, depth) };
  }

  private value(arrayClass: number, dims: readonly number[], parts: Iterator<Element>, depth: number): MatValue {
    const count = dims.reduce((product, dim) => product * dim, 1);
    if (arrayClass === 1) {
      this.#cells += count;
      // Not a number, where a dimension is 0 and the others are very large.
      if (!(this.#cells <= maxCells)) throw this.damaged(`it announces more than ${maxCells} cells`);
      const cells: MatValue[] = [];
      while (cells.length < count) cells.push(this.variable(this.part(parts), depth + 1).value);
      return { kind: 'cells', dims, cells };
    }
    if (arrayClass === 4 && (dims[0] as number) <= 1) return { kind: 'text', text: this.text(this.part(parts)) };
    if (arrayClass >= 6) return { kind: 'numbers', dims, data: this.numbers(this.part(parts), count) };
    return { kind: 'other' };
  }

  private dims({ type, data }: Element): number[] {
    if (type !== 5 || data.length < 8 || data.length % 4 !== 0) throw this.damaged('a variable has no dimensions');
    const dims = Array.from({ length: data.length / 4 }, (_, axis) => this.uint32(data, 4 * axis));
    if (dims.every((dim) => dim < 2 ** 31)) return dims;
    throw this.damaged('a dimension is negative');
  }

  private text({ type, data }: Element): string {
    const encoding = textTypes.get(type);
    if (encoding === undefined) throw this.damaged(`text is stored as type ${type}`);
    if (encoding !== 'utf16le') return data.toString(encoding);
    if (data.length % 2 !== 0) throw this.damaged('text of two bytes a character has an odd length');
    return (this.littleEndian ? data : Buffer.from(data).swap16()).toString(encoding);
  }

  private numbers({ type, data }: Element, count: number): Uint8Array | Float64Array {
    const [size, read] = numberTypes.get(type) ?? [];
    if (size === undefined || read === undefined) throw this.damaged(`numbers are stored as type ${type}`);
    if (data.length !== count * size) {
      throw this.damaged(`an array of ${count} numbers of ${size} bytes has ${data.length} bytes`);
    }
    if (type === uint8) return data;
    this.#converted += count;
    if (this.#converted > maxConverted)
      throw this.damaged(`it has more than ${maxConverted} numbers that are no bytes`);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Float64Array.from({ length: count }, (_, index) => read(view, index * size, this.littleEndian));
  }

  private part(parts: Iterator<Element>): Element {
    const next = parts.next();
    if (next.done) throw this.damaged('a variable ends early');
    return next.value;
  }

  private uint32(bytes: Buffer, at: number): number {
    return this.littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
  }

  private damaged(problem: string, cause?: unknown): L2TError {
    return invalidData(`${this.file} is damaged: ${problem}. Fetch it again.`, cause);
  }
}

/** Square images in MATLAB's layout: image × channel × column × row; the row index runs fastest. */
export function matlabImages(file: string, side: number, pixels: Uint8Array, labels: Int32Array): ImageList {
  const bytes = 3 * side * side;
  return imageArray(
    (index) => `${file}, image ${index}`,
    [side, side],
    labels,
    (index) => fromPlanes(pixels.subarray(index * bytes, (index + 1) * bytes), side, 1, side),
  );
}

/** Converts labels from 1, as in MATLAB, to classes from 0. */
export function classesFromOne(labels: ArrayLike<number>, classes: number, file: string): Int32Array {
  return Int32Array.from(labels, (label, image) => {
    if (Number.isInteger(label) && label >= 1 && label <= classes) return label - 1;
    throw invalidData(`${file}: image ${image} has label ${label}, but labels are 1 to ${classes}.`);
  });
}
