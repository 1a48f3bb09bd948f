import { crc32 } from 'node:zlib';
import type { PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js';
import { decompressGzip, decompressSnappy, decompressZstd } from 'hyparquet-compressors';
import { limitError } from '../../system/limits.js';
import { maxDeflateRatio } from '../reading.js';

/** A page that is larger once it is decompressed is refused, bytes. */
const maxPageBytes = 2 ** 30;

interface Codec {
  readonly decompress: (input: Uint8Array, length: number) => Uint8Array;
  /** No byte of this compression stands for more bytes than this. */
  readonly maxRatio: number;
}

/** The compressions that are read, as the file's footer calls them. */
export const codecs: Readonly<Record<string, Codec>> = {
  UNCOMPRESSED: { decompress: (input) => input, maxRatio: 1 },
  SNAPPY: { decompress: decompressSnappy, maxRatio: 22 },
  GZIP: { decompress: decompressGzip, maxRatio: maxDeflateRatio },
  ZSTD: { decompress: unzstd, maxRatio: Number.POSITIVE_INFINITY },
};

/** Calls a library to read `what`. The message of its failure is ours. */
export function understood<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw limitError(cause) ?? new Error(`${what} cannot be read`, { cause });
  }
}

/** The supported encodings of dictionaries and of the values in data pages. */
const encodings = ['PLAIN', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY', 'DELTA_BINARY_PACKED', 'DELTA_LENGTH_BYTE_ARRAY'];

/** A column chunk as the footer describes it. */
interface ChunkFacts {
  readonly codec: string;
  readonly rows: number;
  /** How many of the column and the structs around it may be null. */
  readonly optional: number;
  /** Bytes that its pages may have once they are decompressed, all together. */
  readonly mostBytes: number;
}

/**
 * Decompresses the pages of a column without repetition, and checks all lengths in them: hyparquet believes them, and a
 * wrong one would make it fill memory.
 */
export function readPages(chunk: Uint8Array, { codec, rows, optional, mostBytes }: ChunkFacts) {
  /** Decompressed bytes, by the place in the chunk at which the compressed ones begin. */
  const pages = new Map<number, Uint8Array>();
  const reader = { view: viewOf(chunk), offset: 0 };
  let values = 0;
  let total = 0;
  let hasDictionary = false;
  while (values < rows) {
    checkThrift(reader.view, reader.offset);
    const header = understood("a page's header", () => parquetHeader(reader));
    const { compressed_page_size: packedSize, uncompressed_page_size: size, crc } = header;
    const bytes = chunk.subarray(reader.offset, reader.offset + packedSize);
    if (bytes.length !== packedSize) throw new Error('a page is cut short');
    if (!isWithin(size, maxPageBytes)) throw new Error(`a page announces ${size} bytes`);
    if (crc !== undefined && crc32(bytes) !== crc >>> 0) throw new Error("a page's checksum does not fit");
    total += size;
    if (total > mostBytes) throw new Error(`its pages announce more than ${mostBytes} bytes`);
    const levels = levelBytes(header, bytes.length);
    const packed = bytes.subarray(levels);
    const length = size - levels;
    const plain = header.data_page_header_v2?.is_compressed === false || length === 0;
    const page = plain ? packed : decompress(packed, length, codec);
    pages.set(reader.offset + levels, page);
    values += checkPage(header, bytes.subarray(0, levels), page, { rows: rows - values, optional, hasDictionary });
    hasDictionary ||= header.type === 'DICTIONARY_PAGE';
    reader.offset += packedSize;
  }
  /** `bytes`: decompressed, with their levels; `end`: where the last page ends in the chunk. */
  return { pages, bytes: total, end: reader.offset };
}

/** Is it from 0 to `most`? A damaged header may lack the number. */
const isWithin = (value: number | undefined, most: number): boolean =>
  value !== undefined && value >= 0 && value <= most;

function decompress(packed: Uint8Array, length: number, codec: string): Uint8Array {
  const { decompress, maxRatio } = codecs[codec] as Codec;
  if (length > maxRatio * packed.length) throw new Error(`${packed.length} compressed bytes announce ${length}`);
  const page = understood('a compressed page', () => decompress(packed, length));
  if (page.length !== length) throw new Error(`a page has ${page.length} bytes, but announces ${length}`);
  return page;
}

/** Checks the frame's own length first: fzstd allocates what the frame announces. */
function unzstd(input: Uint8Array, length: number): Uint8Array {
  const view = viewOf(input);
  if (view.getUint32(0, true) !== 0xfd2fb528) throw new Error('a page is no zstd frame');
  const flags = view.getUint8(4);
  const singleSegment = (flags >> 5) & 1;
  const at = 6 - singleSegment + ([0, 1, 2, 4][flags & 3] as number);
  const announced = [
    () => (singleSegment ? view.getUint8(at) : undefined),
    () => view.getUint16(at, true) + 256,
    () => view.getUint32(at, true),
    () => Number(view.getBigUint64(at, true)),
  ][flags >> 6]?.();
  if (announced !== undefined && announced !== length) throw new Error(`a zstd frame announces ${announced} bytes`);
  return announced === undefined ? decompressZstd(input, new Uint8Array(length)) : decompressZstd(input);
}

/** Bytes of the levels before the values, which a page of version 2 does not compress. */
function levelBytes({ data_page_header_v2: page }: PageHeader, length: number): number {
  if (page === undefined) return 0;
  const { repetition_levels_byte_length: repetition, definition_levels_byte_length: definition } = page;
  if (repetition !== 0 || !isWithin(definition, length)) throw new Error("a page's levels do not fit");
  return definition;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** The number of values of a data page; 0 for a dictionary. `rows`: how many values there may still be. */
function checkPage(
  header: PageHeader,
  levels: Uint8Array,
  page: Uint8Array,
  { rows, optional, hasDictionary }: Pick<ChunkFacts, 'rows' | 'optional'> & { readonly hasDictionary: boolean },
): number {
  const { dictionary_page_header: dictionary, data_page_header: first, data_page_header_v2: second } = header;
  if (header.type === 'DICTIONARY_PAGE' && dictionary) {
    const { num_values: values } = dictionary;
    if (!isWithin(values, page.length)) throw new Error(`a dictionary announces ${values} values`);
    return 0;
  }
  const data = header.type === 'DATA_PAGE' ? first : header.type === 'DATA_PAGE_V2' ? second : undefined;
  if (data === undefined) throw new Error(`a page is of the type ${header.type}`);
  const { num_values: values, encoding } = data;
  if (!isWithin(values, rows)) throw new Error(`a page announces ${values} values where there are ${rows}`);
  if (!encodings.includes(encoding)) throw new Error(`a page is encoded as ${encoding}, which is not read`);
  // A page of version 1 begins with the length of its definition levels.
  const from = optional > 0 && !second ? 4 + viewOf(page).getUint32(0, true) : 0;
  if (from > page.length) throw new Error("a page's levels do not fit");
  const present = optional > 0 ? countPresent(second ? levels : page.subarray(4, from), optional, values) : values;
  if (second && second.num_nulls !== values - present) throw new Error('its nulls do not fit');
  if (second && second.num_rows !== values) throw new Error(`a page announces ${second.num_rows} rows for ${values}`);
  // Spark writes no dictionary where all values are null.
  if (encoding.endsWith('DICTIONARY') && !hasDictionary && present > 0) {
    throw new Error('a page needs a dictionary, and there is none');
  }
  // Indices of 0 bits need no runs.
  if (encoding.endsWith('DICTIONARY') && from < page.length) {
    checkRuns(page.subarray(from + 1), page[from] as number, values, { mayEnd: true });
  }
  if (encoding.startsWith('DELTA') && from < page.length) checkDelta(page, from, present);
  return values;
}

/** Checks the definition levels of a page, and counts the values that are not null. */
function countPresent(levels: Uint8Array, optional: number, values: number): number {
  const width = 32 - Math.clz32(optional);
  checkRuns(levels, width, values);
  const decoded = new Array<number>(values);
  const reader = { view: viewOf(levels), offset: 0 };
  understood("a page's levels", () => readRleBitPackedHybrid(reader, width, decoded, levels.length));
  return decoded.filter((level) => level === optional).length;
}

/**
 * Checks the header of blocks of differences: the sizes by the format's rules, because with others hyparquet would read
 * for ever, and the number of values.
 */
function checkDelta(page: Uint8Array, from: number, present: number): void {
  const { value: block, end } = varint(page, from);
  const { value: parts, end: afterParts } = varint(page, end);
  const { value: count } = varint(page, afterParts);
  if (count !== present) throw new Error(`a page announces ${count} differences for ${present} values`);
  // hyparquet reads numbers of 32 bits with a sign.
  const isBlock = block > 0 && block < 2 ** 31 && block % 128 === 0;
  if (isBlock && parts > 0 && parts <= page.length && block % (32 * parts) === 0) return;
  throw new Error(`a block has ${block} differences in ${parts} parts`);
}

/** An unsigned number in 7 bits a byte, and where it ends. */
function varint(bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = from; ; at++) {
    const byte = bytes[at];
    if (byte === undefined || at - from > 4) throw new Error('a number is cut short');
    value += (byte & 0x7f) * 2 ** (7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
}

/** Writers fill up the last run of packed numbers: DuckDB to 256, others to a multiple of 8. */
const maxFill = 4096;

/** Checks runs of equal and of bit-packed numbers: none may be longer than there are values, or than its bytes. */
function checkRuns(bytes: Uint8Array, width: number, values: number, { mayEnd = false } = {}): void {
  if (width > 32) throw new Error(`numbers of ${width} bits`);
  let at = 0;
  for (let seen = 0; seen < values; ) {
    if (mayEnd && at >= bytes.length) return;
    const { value: header, end } = varint(bytes, at);
    at = end;
    const packed = header % 2 === 1;
    const count = Math.floor(header / 2) * (packed ? 8 : 1);
    at += packed ? (count / 8) * width : Math.ceil(width / 8);
    const most = packed ? values + maxFill : values;
    if (at > bytes.length || count > most) throw new Error(`a run of ${count} does not fit`);
    seen += count;
  }
}

/** Parquet's own structs are less deep. */
const maxDepth = 16;

/**
 * Checks a Thrift struct, of a footer or of a page's header: every list and string in it must lie within `view`.
 * hyparquet allocates a list of the length that it announces.
 *
 * Throws an Error that says what is wrong.
 */
export function checkThrift(view: DataView, from: number): void {
  let at = from;
  const skip = (length: number) => {
    if (length > view.byteLength - at) throw new Error(`${length} bytes are announced, ${view.byteLength - at} left`);
    at += length;
  };
  const byte = (): number => {
    skip(1);
    return view.getUint8(at - 1);
  };
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const next = byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return value;
    }
    throw new Error('a number is too long');
  };
  const list = (depth: number): void => {
    const header = byte();
    const size = header >> 4 === 15 ? varint() : header >> 4;
    // Each element takes a byte at least.
    if (size > view.byteLength - at) throw new Error(`a list of ${size} is announced`);
    const type = header & 15;
    const isBoolean = type === 1 || type === 2;
    for (let k = 0; k < size; k++) element(isBoolean ? 3 : type, depth + 1);
  };
  const struct = (depth: number): void => {
    for (let field = byte(); (field & 15) !== 0; field = byte()) {
      if (field >> 4 === 0) varint();
      element(field & 15, depth + 1);
    }
  };
  /** Skips a value, by the number of its type in Thrift's compact protocol. */
  const values: Readonly<Record<number, (depth: number) => void>> = {
    1: () => {}, // true, which a field's header says
    2: () => {}, // false
    3: () => skip(1), // a byte
    4: varint, // integers of 16 bits,
    5: varint, // of 32,
    6: varint, // of 64
    7: () => skip(8), // a double
    8: () => skip(varint()), // bytes
    9: list,
    12: struct,
  };
  const element = (type: number, depth: number): void => {
    if (depth > maxDepth) throw new Error('its structs are too deep');
    const value = values[type];
    if (value === undefined) throw new Error(`a field is of the unknown type ${type}`);
    value(depth);
  };
  struct(0);
}
