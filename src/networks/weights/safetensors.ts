import { isUtf8 } from 'node:buffer';
import { L2TError } from '../../errors.js';
import { dtypes, dtypesBy, elementCount, itemSize, type TensorMap } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { readAll, readFileBytes, withFile, writeFileAtomic } from '../../system/files.js';
import { quoted } from '../../system/printable.js';
import { isIntact } from './content-hash.js';

const dtypeNamed = dtypesBy('safetensors');

/** The official library's own limit. */
const longestHeader = 100_000_000;

/** Checks whether bytes look like safetensors: a header length, then a JSON object. */
export function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b && headerLength(bytes) <= longestHeader;
}

/**
 * Reads a safetensors file and checks every rule of the format, and the content hash of files of this package. The
 * tensors are in the order of the data in the file, and views into its bytes.
 * @throws L2TError INVALID_WEIGHTS, naming the file and the entry; FILE_ACCESS if the path cannot be read.
 */
export async function readSafetensors(path: string) {
  return parseSafetensors(await readFileBytes(path), path);
}

/**
 * Reads a file's metadata alone, without its tensors and without checking their hash.
 * @throws L2TError INVALID_WEIGHTS, FILE_ACCESS.
 */
export async function readMetadata(path: string): Promise<ReadonlyMap<string, string>> {
  const start = await withFile(path, async (handle, size) => {
    const length = headerLength(await readAll(handle, Math.min(size, 8)));
    return readAll(handle, Math.min(size, 8 + Math.min(length, longestHeader)));
  });
  return orInvalid(path, () => readHeader(start).metadata);
}

/** Like readSafetensors, for bytes in memory. `file` is their name in messages. */
export function parseSafetensors(bytes: Uint8Array, file: string) {
  const content = orInvalid(file, () => {
    const { entries, metadata } = readHeader(bytes);
    const data = bytes.subarray(8 + headerLength(bytes));
    return { tensors: sliceTensors(entries, data), metadata };
  });
  if (isIntact(content.tensors, content.metadata)) return content;
  throw invalidWeights(
    `${file} is damaged: its content does not have the checksum in its metadata. Fetch or save it again. (A program that changes a checkpoint must remove the metadata entry sha256.)`,
  );
}

/** Makes an error of `body` say which file is invalid. */
function orInvalid<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    const { message } = error as Error;
    throw invalidWeights(`${file} is no valid safetensors file: ${message}. Fetch or save the file again.`, error);
  }
}

/** Inexact above 2^53, but such a length is refused anyway. 0 for a file too short to say it, which is refused, too. */
function headerLength(bytes: Uint8Array): number {
  if (bytes.length < 8) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
}

function readHeader(bytes: Uint8Array) {
  if (bytes.length < 8) throw new Error(`it has ${bytes.length} bytes, not even a header's length`);
  const length = headerLength(bytes);
  if (length > longestHeader) throw new Error(`its header of ${length} bytes is longer than the format allows`);
  if (length > bytes.length - 8) throw new Error(`it is cut short: its header has ${length} bytes`);
  if (bytes[8] !== 0x7b) throw new Error('its header does not begin with {');
  const json = Buffer.from(bytes.buffer, bytes.byteOffset + 8, length);
  if (!isUtf8(json)) throw new Error('its header is not UTF-8');
  return parseHeader(json.toString('utf8'));
}

/** The tensors must fill the data one after another: without gap, overlap or remainder. */
function sliceTensors(entries: ReadonlyMap<string, HeaderEntry>, data: Uint8Array): TensorMap {
  const tensors: TensorMap = new Map();
  const ordered = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const [name, { dtype: formatName, shape, begin, end }] of ordered) {
    const dtype = dtypeNamed.get(formatName);
    if (dtype === undefined) throw new Error(`${quoted(name)} has the dtype ${quoted(formatName)}, which is not read`);
    if (begin !== at || end < begin) throw new Error(`${quoted(name)} does not begin where the tensor before it ends`);
    if (end > data.length) {
      throw new Error(`it is cut short: ${quoted(name)} ends at byte ${end} of its data's ${data.length}`);
    }
    if (elementCount(shape) * itemSize(dtype) !== end - begin) {
      throw new Error(`${quoted(name)} of shape [${shape.join(', ')}] and dtype ${dtype} has ${end - begin} bytes`);
    }
    tensors.set(name, { dtype, shape, data: data.subarray(begin, end) });
    at = end;
  }
  if (at !== data.length) throw new Error(`${data.length - at} bytes follow the last tensor`);
  return tensors;
}

/**
 * Writes a safetensors file completely or not at all. Equal tensors and metadata in equal order give equal bytes.
 * @throws L2TError FILE_ACCESS.
 */
export async function writeSafetensors(
  path: string,
  tensors: TensorMap,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  await writeFileAtomic(path, safetensorsChunks(tensors, metadata));
}

/** The file's bytes in order: the header, then each tensor's data, which is not copied. */
export function safetensorsChunks(tensors: TensorMap, metadata: ReadonlyMap<string, string>): Uint8Array[] {
  const members: string[] = [];
  if (metadata.size > 0) {
    const texts = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    members.push(`"__metadata__":{${texts.join(',')}}`);
  }
  let at = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (elementCount(shape) * itemSize(dtype) !== data.length || name === '__metadata__') {
      throw new L2TError('INTERNAL', `The tensor ${quoted(name)} cannot be written: its data does not fit its shape.`);
    }
    const entry = { dtype: dtypes[dtype].safetensors, shape, data_offsets: [at, at + data.length] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    at += data.length;
  }
  return [encodeHeader(`{${members.join(',')}}`), ...[...tensors.values()].map(({ data }) => data)];
}

/** The length as uint64, then the JSON, padded with spaces to a multiple of 8 bytes as by the official library. */
function encodeHeader(json: string): Uint8Array {
  const text = Buffer.from(json);
  const length = Math.ceil(text.length / 8) * 8;
  const header = Buffer.alloc(8 + length, ' ');
  header.writeBigUInt64LE(BigInt(length));
  header.set(text, 8);
  return header;
}

// Limits far above any network. Without them, a header of 100 MB could take gigabytes of memory.
const mostMembers = 250_000;
const mostIntegers = 64;

/** One tensor as the header describes it. `begin` and `end` are in bytes from the end of the header. */
interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Parses a safetensors header. This parser reads only the format's grammar. JSON.parse would drop duplicate keys,
 * reorder numeric keys, and turn a hostile header of 100 MB into gigabytes of objects. Throws an Error with the
 * character's index.
 */
function parseHeader(json: string) {
  const scanner = new Scanner(json);
  const entries = new Map<string, HeaderEntry>();
  const metadata = new Map<string, string>();
  scanner.object((key) => {
    if (key === '__metadata__') scanner.object((name) => metadata.set(name, scanner.string()));
    else entries.set(key, parseEntry(scanner, key));
  });
  scanner.end();
  return { entries, metadata };
}

function parseEntry(scanner: Scanner, name: string): HeaderEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scanner.object((key) => {
    if (key === 'dtype') dtype = scanner.string();
    else if (key === 'shape') shape = scanner.integers();
    else if (key === 'data_offsets') offsets = scanner.integers();
    else scanner.fail(`${quoted(name)} has an unknown property ${quoted(key)}`);
  });
  const [begin, end] = offsets ?? [];
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined || offsets?.length !== 2) {
    return scanner.fail(`${quoted(name)} lacks a dtype, a shape or two data_offsets`);
  }
  return { dtype, shape, begin, end };
}

const space = /[ \t\r\n]*/y;
const literal = /"[^"\\]*(?:\\.[^"\\]*)*"/y;
const digits = /0|[1-9][0-9]*/y;

/** Reads JSON tokens one after another. White space may precede each. */
class Scanner {
  #at = 0;

  constructor(private readonly text: string) {}

  fail(problem: string): never {
    throw new Error(`${problem}, near character ${this.#at} of the header`);
  }

  /** Reads an object; `member` reads the value of each key, none of which may be there twice. */
  object(member: (key: string) => void): void {
    const seen = new Set<string>();
    this.#list('{', '}', mostMembers, () => {
      const key = this.string();
      this.#require(':');
      if (seen.has(key)) this.fail(`${quoted(key)} is there twice`);
      seen.add(key);
      member(key);
    });
  }

  integers(): number[] {
    const values: number[] = [];
    this.#list('[', ']', mostIntegers, () => {
      const value = Number(this.#take(digits) ?? Number.NaN);
      values.push(Number.isSafeInteger(value) ? value : this.fail('a whole number from 0 to 2^53 - 1 is missing'));
    });
    return values;
  }

  string(): string {
    const text = this.#take(literal) ?? this.fail('a text is missing, or does not end');
    try {
      return JSON.parse(text) as string;
    } catch {
      return this.fail('a text is not well formed');
    }
  }

  end(): void {
    this.#take(space);
    if (this.#at < this.text.length) this.fail('something follows the header');
  }

  #list(open: string, close: string, most: number, item: () => void): void {
    this.#require(open);
    if (this.#accept(close)) return;
    let count = 0;
    do {
      if (++count > most) this.fail(`more than ${most} members`);
      item();
    } while (this.#accept(','));
    this.#require(close);
  }

  #require(char: string): void {
    if (!this.#accept(char)) this.fail(`${char} is missing`);
  }

  #accept(char: string): boolean {
    this.#take(space);
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** Takes the text that the pattern matches here, after white space; undefined if it does not match. */
  #take(pattern: RegExp): string | undefined {
    if (pattern !== space) this.#take(space);
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.text) ?? [];
    this.#at += found?.length ?? 0;
    return found;
  }
}
