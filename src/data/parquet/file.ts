import { createHash } from 'node:crypto';
import { type FileMetaData, flatten, parquetMetadata, parquetSchema, type SchemaTree } from 'hyparquet';
import { assembleAsync, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath } from 'hyparquet/src/schema.js';
import { L2TError } from '../../errors.js';
import { invalidData } from '../../system/failures.js';
import { limitError } from '../../system/limits.js';
import { shown } from '../../system/printable.js';
import { sum } from '../../system/statistics.js';
import { fileSize, readRange } from '../reading.js';
import { checkThrift, codecs, readPages, understood } from './pages.js';

/** Bytes of a footer, and of a column in one row group, also once it is decompressed. Files of images have far less. */
const maxFooterBytes = 2 ** 28;
const maxChunkBytes = 2 ** 31 - 1;
/** Rows of a row group. */
const maxGroupRows = 2 ** 21;

/** The file's end: the footer's length, and "PAR1". */
const tailBytes = 8;

/** A Parquet file, of which the footer has been read and checked against the file's size. */
export type ParquetFile = Awaited<ReturnType<typeof openParquet>>;

/** A column of one row group. */
export interface Column {
  readonly values: readonly unknown[];
  /** Size in memory, bytes. */
  readonly bytes: number;
}

export async function openParquet(path: string) {
  const size = await fileSize(path);
  const footer = await readFooter(path, size);
  const { metadata, schema } = intact(path, () => {
    checkThrift(new DataView(footer.buffer), 0);
    const parsed = understood('its footer', () => {
      const metadata = parquetMetadata(footer.buffer, { geoparquet: false });
      return { metadata, schema: parquetSchema(metadata) };
    });
    checkPlaces(parsed.metadata, size, size - footer.length);
    return parsed;
  });
  return {
    path,
    size,
    /** SHA-256 (hex) of the footer, which names the place of everything in the file. */
    digest: createHash('sha256').update(footer).digest('hex'),
    /** Columns, and the columns in them. */
    schema,
    /** Rows of each row group. */
    groups: metadata.row_groups.map((group) => Number(group.num_rows)),
    /** The text that its writer left under a key, for example `huggingface`. */
    note: (key: string) => metadata.key_value_metadata?.find((each) => each.key === key)?.value,
    /** Bytes of a column in a row group after decompression, as the footer announces them. */
    bytes: (group: number, column: string) =>
      sum(chunksOf(metadata, group, column).map((chunk) => Number(chunk.total_uncompressed_size))),
    /** A top-level column of one row group. */
    read: (group: number, column: string) => readColumn(path, { metadata, schema }, group, column),
  };
}

async function readFooter(path: string, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const tail = size < 12 ? undefined : Buffer.from((await readRange(path, size - tailBytes, tailBytes)).buffer);
  const magic = tail?.toString('latin1', 4);
  if (magic === 'PARE') throw invalidData(`${path} is encrypted: write it without encryption.`);
  if (tail === undefined || magic !== 'PAR1') {
    throw invalidData(
      `${path} does not end as a Parquet file: it is cut short or of another format. Download it again.`,
    );
  }
  const length = tail.readUInt32LE(0) + tailBytes;
  if (length > size - 4 || length > maxFooterBytes) {
    throw damaged(path, new Error(`its footer announces ${length} bytes of ${size}`));
  }
  return readRange(path, size - length, length);
}

/** Throws an Error if a column chunk lies outside the file, or if there are more rows than bytes. */
function checkPlaces({ schema, row_groups: groups }: FileMetaData, size: number, end: number): void {
  if (schema.some(({ name }) => name === undefined)) throw new Error('a column has no name');
  let rows = 0;
  for (const [index, group] of groups.entries()) {
    const count = requireCount(group.num_rows, `the rows of row group ${index}`);
    if (count > maxGroupRows) throw new Error(`row group ${index} announces ${count} rows, more than ${maxGroupRows}`);
    rows += count;
    const names = group.columns.map(({ meta_data: chunk }) => chunk && nameOf(chunk));
    if (new Set(names).size < names.length) throw new Error(`row group ${index} has a column twice`);
    for (const { meta_data: chunk } of group.columns) {
      if (chunk === undefined) throw new Error(`row group ${index} has a column without a description`);
      const start = startOf(chunk);
      const bytes = requireCount(chunk.total_compressed_size, 'the bytes of a column');
      if (start < 4 || start + bytes > end) throw new Error(`column ${shown(nameOf(chunk))} lies outside the file`);
      requireCount(chunk.total_uncompressed_size, 'the bytes of a column');
    }
  }
  if (rows > size) throw new Error(`it announces ${rows} rows in ${size} bytes`);
}

function requireCount(value: bigint | number, what: string): number {
  const count = Number(value);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new Error(`${what} are announced as ${value}`);
}

type Chunk = NonNullable<FileMetaData['row_groups'][number]['columns'][number]['meta_data']>;

const nameOf = (chunk: Chunk): string => chunk.path_in_schema.join('.');
const startOf = (chunk: Chunk): number => Number(chunk.dictionary_page_offset || chunk.data_page_offset);

const chunksOf = ({ row_groups: groups }: FileMetaData, group: number, column: string): Chunk[] =>
  (groups[group]?.columns ?? [])
    .map((each) => each.meta_data as Chunk)
    .filter(({ path_in_schema: [first] }) => first === column);

/** One column: hyparquet reads what has been checked and decompressed here. */
async function readColumn(
  path: string,
  { metadata, schema }: { readonly metadata: FileMetaData; readonly schema: SchemaTree },
  group: number,
  column: string,
): Promise<Column> {
  const described = metadata.row_groups[group] as FileMetaData['row_groups'][number];
  const rows = Number(described.num_rows);
  const location = placeOf(path, metadata, group, column);
  const read = new Map<number, ArrayBuffer>();
  const decompressed = new Map<ArrayBufferLike, ReturnType<typeof readPages>['pages']>();
  const chunks = chunksOf(metadata, group, column);
  let size = 0;
  for (const chunk of chunks) {
    checkReadable(path, group, chunk);
    const bytes = await readRange(path, startOf(chunk), Number(chunk.total_compressed_size));
    const found = intact(location, () => {
      const levels = getTreePath(schema, chunk.path_in_schema);
      if (getMaxRepetitionLevel(levels) > 0) throw new Error(`${shown(nameOf(chunk))} is a list`);
      const optional = getMaxDefinitionLevel(levels);
      const { codec, num_values: values } = chunk;
      if (Number(values) !== rows) throw new Error(`it announces ${values} values in ${rows} rows`);
      return readPages(bytes, { codec, rows, optional, mostBytes: maxChunkBytes - size });
    });
    const buffer = found.end === bytes.length ? bytes.buffer : bytes.buffer.slice(0, found.end);
    size += found.bytes;
    read.set(startOf(chunk), buffer);
    decompressed.set(buffer, found.pages);
  }
  const decompress = (input: Uint8Array) => decompressed.get(input.buffer)?.get(input.byteOffset) as Uint8Array;
  const options = {
    file: { byteLength: 0, slice: (start: number) => read.get(start) as ArrayBuffer },
    utf8: false,
    compressors: Object.fromEntries(Object.keys(codecs).map((codec) => [codec, decompress])),
  };
  const ranges = chunks.map((chunk) => ({ columnMetadata: chunk, range: { startByte: startOf(chunk), endByte: 0 } }));
  const span = { groupStart: 0, groupRows: rows, selectStart: 0, selectEnd: rows };
  const plan = { metadata, rowStart: 0, fetches: [], groups: [] };
  let values: ArrayLike<unknown> | undefined;
  try {
    const columns = readRowGroup(options, plan, { ...span, rowGroup: described, chunks: ranges });
    const [assembled] = assembleAsync(columns, schema).asyncColumns;
    values = flatten((await assembled?.data)?.data);
  } catch (cause) {
    throw damaged(location, limitError(cause) ?? new Error('its values cannot be read', { cause }));
  }
  // hyparquet's null is a null; undefined is what a dictionary does not have.
  if ((values as unknown[]).includes(undefined)) throw damaged(location, new Error('a value is not in its dictionary'));
  if (values.length !== rows) throw damaged(location, new Error(`it has ${values.length} values, not ${rows}`));
  return { values: values as unknown[], bytes: size };
}

/** A column of a row group, for messages. All images in it have the same message. */
function placeOf(path: string, { row_groups: groups }: FileMetaData, group: number, column: string): string {
  const first = sum(groups.slice(0, group).map((each) => Number(each.num_rows)));
  const last = first + Number(groups[group]?.num_rows) - 1;
  return `${path}: column ${shown(column)} of row group ${group} (rows ${first} to ${last})`;
}

function checkReadable(path: string, group: number, chunk: Chunk): void {
  const { codec, total_compressed_size: packed, total_uncompressed_size: bytes } = chunk;
  if (codec === undefined || !(codec in codecs)) {
    const known = Object.keys(codecs).join(', ').toLowerCase();
    throw invalidData(
      `${path}: column ${shown(nameOf(chunk))} is compressed by ${codec ?? 'an unknown method'}, which is not read. Write it with one of ${known}.`,
    );
  }
  if (packed <= maxChunkBytes && bytes <= maxChunkBytes) return;
  throw invalidData(
    `${path}: column ${shown(nameOf(chunk))} of row group ${group} has more than 2 GiB, and a row group is read as a whole. Write it with smaller row groups.`,
  );
}

/** Runs `body`. Its failure means that `location`, the file or a part of it, is damaged. */
function intact<T>(location: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw damaged(location, error);
  }
}

function damaged(location: string, error: unknown): L2TError {
  if (error instanceof L2TError) return error;
  const limit = limitError(error);
  if (limit) return limit;
  const [reason = ''] = (error as Error).message.split('\n');
  return invalidData(`${location} is damaged or cut short: ${shown(reason, 200)}. Download it again.`, error);
}
