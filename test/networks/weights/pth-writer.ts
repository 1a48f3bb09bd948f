import { crc32, deflateRawSync } from 'node:zlib';
import { bytes, call, dict, global, int, list, little, pickle, text, tuple } from './pickle-writer.js';

/** A storage to put in a file: PyTorch's class name for it, its key, and its elements' bytes. */
export interface FixtureStorage {
  readonly type: string;
  readonly key: string;
  readonly size: number;
  readonly data: Uint8Array;
}

export function floatStorage(key: string, values: readonly number[]): FixtureStorage {
  return { type: 'FloatStorage', key, size: values.length, data: new Uint8Array(Float32Array.from(values).buffer) };
}

/** The pickle of a tensor over `storage`; `view` is the old formats' sixth part of a persistent id. */
export function tensor(
  storage: FixtureStorage,
  shape: readonly number[],
  { strides = rowMajor(shape), offset = 0, view = [] as Uint8Array[] } = {},
): Uint8Array {
  const id = [
    text('storage'),
    global('torch', storage.type),
    text(storage.key),
    text('cpu'),
    int(storage.size),
    ...view,
  ];
  const sizes = [shape, strides].map((values) => tuple(...values.map(int)));
  const hooks = call(global('collections', 'OrderedDict'));
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    bytes(tuple(...id), 'Q'),
    int(offset),
    ...sizes,
    FALSE,
    hooks,
  );
}

const FALSE = Uint8Array.of(0x89);
const TRUE = Uint8Array.of(0x88);

function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, i) => shape.slice(i + 1).reduce((product, length) => product * length, 1));
}

/** torch.save before 1.6. */
export function legacyPth(object: Uint8Array, storages: readonly FixtureStorage[], littleEndian = TRUE): Uint8Array {
  const magic = bytes([0x8a, 10], [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
  const system = dict([
    ['protocol_version', int(1001)],
    ['little_endian', littleEndian],
  ]);
  return bytes(
    ...[magic, int(1001), system, object, list(...storages.map(({ key }) => text(key)))].map((part) => pickle(2, part)),
    ...storages.flatMap(({ size, data }) => [little(size, 8), data]),
  );
}

export interface ZipOptions {
  /** Deflate the entries, which PyTorch never does but other tools do. */
  readonly deflate?: boolean;
  /** Give sizes and counts in zip64 records only. */
  readonly zip64?: boolean;
  readonly byteOrder?: string;
  /** Sizes to claim in the directory for an entry instead of the true one. */
  readonly claim?: ReadonlyMap<string, number>;
  /** Leave checksums out, as torch.serialization.set_crc32_options(False) does. */
  readonly checksums?: boolean;
}

/** torch.save since 1.6. */
export function zipPth(object: Uint8Array, storages: readonly FixtureStorage[], options: ZipOptions = {}): Uint8Array {
  return zip(
    [
      ['archive/data.pkl', pickle(2, object)],
      ['archive/byteorder', Buffer.from(options.byteOrder ?? 'little')],
      ...storages.map(({ key, data }) => [`archive/data/${key}`, data] as const),
      ['archive/version', Buffer.from('3\n')],
    ],
    options,
  );
}

export function zip(entries: readonly (readonly [string, Uint8Array])[], options: ZipOptions = {}): Uint8Array {
  const body: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, content] of entries) {
    const data = options.deflate ? deflateRawSync(content) : content;
    const checksum = options.checksums === false ? 0 : crc32(content);
    const size = options.claim?.get(name) ?? content.length;
    const method = little(options.deflate ? 8 : 0, 2);
    // PyTorch aligns the data with an extra field "FB".
    const padding = bytes('FB', little(5, 2), 'ZZZZZ');
    const common = [[20, 0, 0, 0], method, [0, 0, 0, 0], little(checksum, 4)] as const;
    const sizes = bytes(little(data.length, 4), little(size, 4));
    const lengths = bytes(little(name.length, 2), little(padding.length, 2));
    const local = bytes('PK\x03\x04', ...common, sizes, lengths, name, padding, data);
    directory.push(centralEntry(name, bytes(...common), [size, data.length, at], options.zip64 === true));
    body.push(local);
    at += local.length;
  }
  return bytes(
    ...body,
    ...directory,
    ...endRecords(entries.length, bytes(...directory).length, at, options.zip64 === true),
  );
}

function centralEntry(name: string, common: Uint8Array, sizes: [number, number, number], zip64: boolean): Uint8Array {
  const extra = zip64 ? bytes([1, 0], little(24, 2), ...sizes.map((value) => little(value, 8))) : bytes();
  const [size, compressed, offset] = zip64 ? [0xffffffff, 0xffffffff, 0xffffffff] : sizes;
  return bytes(
    'PK\x01\x02',
    [20, 0],
    common,
    ...[compressed, size].map((value) => little(value, 4)),
    ...[name.length, extra.length, 0, 0, 0].map((value) => little(value, 2)),
    little(0, 4),
    little(offset, 4),
    name,
    extra,
  );
}

function endRecords(count: number, size: number, at: number, zip64: boolean): Uint8Array[] {
  const plain = (entries: number, length: number, offset: number) =>
    bytes(
      'PK\x05\x06',
      [0, 0, 0, 0],
      little(entries, 2),
      little(entries, 2),
      little(length, 4),
      little(offset, 4),
      [0, 0],
    );
  if (!zip64) return [plain(count, size, at)];
  const record = [
    little(44, 8),
    [45, 0, 45, 0],
    little(0, 8),
    ...[count, count, size, at].map((value) => little(value, 8)),
  ];
  const locator = bytes('PK\x06\x07', little(0, 4), little(at + size, 8), little(1, 4));
  return [bytes('PK\x06\x06', ...record), locator, plain(0xffff, 0xffffffff, 0xffffffff)];
}

/** Tensors of every kind of view, and their storages. */
export const six = floatStorage('0', [1, 2, 3, 4, 5, 6]);
export const half = { type: 'HalfStorage', key: '1', size: 2, data: Uint8Array.of(0, 0x3c, 0, 0xc0) };
export const storages = [six, half];
export const object = dict([
  ['plain', tensor(six, [2, 3])],
  ['transposed', tensor(six, [3, 2], { strides: [1, 3] })],
  ['column', tensor(six, [2, 1], { strides: [3, 1], offset: 1 })],
  ['expanded', tensor(six, [2, 2], { strides: [0, 1], offset: 4 })],
  ['scalar', tensor(six, [], { offset: 5 })],
  ['empty', tensor(six, [0, 9])],
  ['half', tensor(half, [2])],
  ['parameter', call(global('torch._utils', '_rebuild_parameter'), tensor(six, [6]), Uint8Array.of(0x88), int(0))],
]);
