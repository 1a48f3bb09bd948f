import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import type { Entry } from 'yauzl';
import { elementCount, itemSize, type Tensor } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { quoted, shown } from '../../system/printable.js';
import { unpickle } from './pickle.js';
import {
  type Fail,
  isCount,
  isSequence,
  isTuple,
  PickleFunction,
  type PickleValue,
  StorageRef,
  StorageType,
  TensorRef,
} from './pickle-values.js';

/** A file of torch.save: the object in it, with tensors that are read on demand. */
interface PthFile {
  readonly format: 'pth-zip' | 'pth-legacy';
  readonly value: PickleValue;
  /** Returns the tensor row-major: a view into the file's bytes if it is stored like that. `name` is for messages. */
  readTensor(name: string, ref: TensorRef): Promise<Tensor>;
}

/** Checks whether bytes begin like a file of torch.save. */
export const isPth = (bytes: Uint8Array): boolean => isZip(bytes) || isLegacy(bytes);

/**
 * Opens a file of torch.save, in either of its formats. `file` is its name in messages.
 * @throws L2TError INVALID_WEIGHTS, naming the file, the entry and the offset.
 */
export async function openPth(bytes: Uint8Array, file: string): Promise<PthFile> {
  return isZip(bytes) ? openZip(bytes, file) : openLegacy(bytes, file);
}

/**
 * The object in a file of torch.save that holds plain values, such as lists of integers. Lists become arrays, dicts
 * Maps.
 * @throws L2TError INVALID_WEIGHTS, also if the object, or an entry of it if it is a list, is a tensor. Deeper levels
 *   are not checked.
 */
export async function readPthValue(bytes: Uint8Array, file: string): Promise<PickleValue> {
  const { value } = await openPth(bytes, file);
  const parts = Array.isArray(value) ? value : [value];
  for (const part of parts) {
    if ([TensorRef, StorageRef, StorageType, PickleFunction].some((kind) => part instanceof kind)) {
      throw invalidWeights(`${file} holds a tensor where plain numbers or texts are expected.`);
    }
  }
  return value;
}

function damaged(file: string, problem: string, cause?: unknown): never {
  throw invalidWeights(`${file}: ${problem}. Fetch or save the file again.`, cause);
}

/** Bytes that copies may take, besides twice the file's size: enough for transposed and small expanded tensors. */
const copyAllowance = 2 ** 24;

/** The storages that a pickle names, and the tensors over them. */
class Storages {
  /** Whole storages by key: element type and number of elements. */
  readonly roots = new Map<string, StorageRef>();
  /** Bytes that may still be copied. Without a limit, a tiny file with strides of 0 could request terabytes. */
  #mayCopy: number;

  constructor(
    private readonly file: string,
    fileSize: number,
  ) {
    this.#mayCopy = copyAllowance + 2 * fileSize;
  }

  /**
   * Resolves a persistent id ('storage', type, key, device, size[, view]); view: (key, offset, length) in old files, or
   * None.
   */
  readonly persistentLoad = (id: PickleValue, fail: Fail): PickleValue => {
    const [tag, type, key, , size, view = null] = isTuple(id) ? id : [];
    if (tag !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(size)) {
      return fail('a persistent id is no storage of PyTorch');
    }
    const root = this.roots.get(key) ?? new StorageRef(key, type.dtype, size, 0, size);
    if (root.dtype !== type.dtype || root.size !== size)
      fail(`storage ${quoted(key)} is named with two types or sizes`);
    this.roots.set(key, root);
    if (view === null) return root;
    const [, offset, length] = isTuple(view) ? view : [];
    if (!isCount(offset) || !isCount(length) || offset + length > size) {
      return fail(`a view of storage ${quoted(key)} does not fit in it`);
    }
    return new StorageRef(key, type.dtype, size, offset, length);
  };

  /** The tensor `ref`, row-major, from the `bytes` of its whole storage. `name` is for messages. */
  tensor(name: string, ref: TensorRef, bytes: Uint8Array): Tensor {
    const { storage, shape, strides } = ref;
    const { dtype } = storage;
    const length = elementCount(shape) * itemSize(dtype);
    const source = bytes.subarray((storage.offset + ref.offset) * itemSize(dtype));
    if (isContiguous(ref)) return { dtype, shape, data: source.subarray(0, length) };
    this.#mayCopy -= length;
    if (this.#mayCopy >= 0) return { dtype, shape, data: gather(ref, source) };
    throw invalidWeights(
      `${this.file}: ${quoted(name)} has shape [${shape.join(', ')}] with strides [${strides.join(', ')}], ` +
        'which repeats its storage beyond reason: save a contiguous copy of the tensor.',
    );
  }
}

/** Checks whether the elements lie row-major without gaps. The stride of a dimension of length 1 does not matter. */
function isContiguous({ shape, strides }: TensorRef): boolean {
  const expected = shape.map((_, dimension) => elementCount(shape.slice(dimension + 1)));
  return shape.includes(0) || shape.every((length, i) => length === 1 || strides[i] === expected[i]);
}

/** The elements, of which the first is at the start of `source`, in row-major order. */
function gather({ storage, shape, strides }: TensorRef, source: Uint8Array): Uint8Array {
  const size = itemSize(storage.dtype);
  const out = new Uint8Array(elementCount(shape) * size);
  let to = 0;
  const copyFrom = (from: number, dimension: number): void => {
    if (dimension === shape.length) for (let byte = 0; byte < size; byte++) out[to++] = source[from + byte] as number;
    const length = shape[dimension] ?? 0;
    for (let i = 0; i < length; i++) copyFrom(from + i * (strides[dimension] as number) * size, dimension + 1);
  };
  if (out.length > 0) copyFrom(0, 0);
  return out;
}

// The format before PyTorch 1.6.

/** Its first bytes: 0x1950a86a20f9469cfc6c as a pickle (protocol 2, LONG1 of 10 bytes). */
const magic = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const formatVersion = 1001;

// Byte 1 is the protocol, which the writer may choose.
const isLegacy = (bytes: Uint8Array): boolean => magic.every((byte, i) => i === 1 || bytes[i] === byte);

/**
 * It consists of pickles (the magic number, the format version, the writer's system, the object, the list of storage
 * keys), then each storage as an int64 count and its elements.
 */
function openLegacy(bytes: Uint8Array, file: string): PthFile {
  const storages = new Storages(file, bytes.length);
  let at = magic.length;
  const next = (part: string): PickleValue => {
    const where = `${file} (${part})`;
    const { value, end } = unpickle(bytes, at, { where, persistentLoad: storages.persistentLoad });
    at = end;
    return value;
  };

  const version = next('format version');
  if (version !== formatVersion) damaged(file, `its format version is not ${formatVersion}`);
  const system = next('system');
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    damaged(file, 'it was written on a big-endian machine, or is damaged');
  }
  const value = next('object');
  const keys = next('storage keys');
  // The bytes of each storage, by its key, as views into the file.
  const data = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of isSequence(keys) ? keys : damaged(file, 'it has no list of storages')) {
    const root = typeof key === 'string' ? storages.roots.get(key) : undefined;
    if (root === undefined || data.has(root.key))
      return damaged(file, 'its list of storages is not that of its tensors');
    if (bytes.length - at < 8) damaged(file, `it ends before storage ${quoted(root.key)}: it is cut short`);
    const count = view.getBigInt64(at, true);
    if (count !== BigInt(root.size)) {
      damaged(file, `storage ${quoted(root.key)} at byte ${at} has ${count} elements where ${root.size} are announced`);
    }
    const end = at + 8 + root.size * itemSize(root.dtype);
    if (end > bytes.length) {
      damaged(file, `storage ${quoted(root.key)} ends at byte ${end} of ${bytes.length}: the file is cut short`);
    }
    data.set(root.key, bytes.subarray(at + 8, end));
    at = end;
  }
  return {
    format: 'pth-legacy',
    value,
    async readTensor(name, ref) {
      const storage = data.get(ref.storage.key) ?? damaged(file, `the storage of ${quoted(name)} is missing`);
      return storages.tensor(name, ref, storage);
    },
  };
}

// The format since PyTorch 1.6.

const inflate = promisify(inflateRaw);
const mostEntries = 100_000;
const largestPickle = 2 ** 28;
/**
 * Bytes that all inflated entries may have together, besides `inflatePerByte` for each byte of the file. PyTorch itself
 * does not compress.
 */
const inflateAllowance = 2 ** 26;
const inflatePerByte = 32;

const isZip = (bytes: Uint8Array): boolean => [0x50, 0x4b, 0x03, 0x04].every((byte, i) => bytes[i] === byte);

/** It is a zip with NAME/data.pkl, and each storage's elements in NAME/data/KEY. */
async function openZip(bytes: Uint8Array, file: string): Promise<PthFile> {
  const { names, read } = await openArchive(bytes, file);
  // NAME/ is the only top-level folder. The writer chooses its name.
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickleName] = pickles;
  if (pickleName === undefined || pickles.length > 1) {
    throw invalidWeights(`${file} is a zip archive but not one of torch.save: it needs one entry NAME/data.pkl.`);
  }
  const root = pickleName.slice(0, -'data.pkl'.length);
  // Files from before PyTorch 2.1 do not have this entry; in practice they are little-endian.
  if (names.includes(`${root}byteorder`)) {
    const order = Buffer.from(await read(`${root}byteorder`, (size) => size <= 16)).toString('latin1');
    if (order !== 'little') {
      throw invalidWeights(
        `${file}: its byte order is ${quoted(order)}, and only little-endian files are read: save it again on such a machine.`,
      );
    }
  }

  const storages = new Storages(file, bytes.length);
  const pickle = await read(pickleName, (size) => size <= largestPickle);
  const where = `${file} (${pickleName})`;
  const { value } = unpickle(pickle, 0, { where, persistentLoad: storages.persistentLoad });

  const loaded = new Map<string, Uint8Array>();
  const load = async ({ key, dtype, size }: StorageRef): Promise<Uint8Array> => {
    const data = loaded.get(key) ?? (await read(`${root}data/${key}`, (found) => found === size * itemSize(dtype)));
    loaded.set(key, data);
    return data;
  };
  return {
    format: 'pth-zip',
    value,
    readTensor: async (name, ref) => storages.tensor(name, ref, await load(ref.storage)),
  };
}

/**
 * A zip archive in memory: the names of its entries, and `read`, which gives an entry's content: a view if it is stored,
 * as by PyTorch, else inflated. `read` throws unless the entry's size `fits`: sizes are checked before anything is
 * inflated.
 */
async function openArchive(bytes: Uint8Array, file: string) {
  const { fromBufferPromise } = await import('yauzl');
  const entries = new Map<string, Entry>();
  const zip = await orDamaged(file, async () => {
    const opened = await fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    if (opened.entryCount > mostEntries) throw new Error(`it has more than ${mostEntries} entries`);
    for await (const entry of opened.eachEntry()) {
      if (entries.has(entry.fileName)) throw new Error(`it has two entries ${quoted(entry.fileName)}`);
      entries.set(entry.fileName, entry);
    }
    return opened;
  });
  let mayInflate = inflateAllowance + inflatePerByte * bytes.length;
  const inflated = async (raw: Uint8Array, { fileName, compressionMethod, uncompressedSize }: Entry) => {
    if (compressionMethod !== 8) throw new Error(`its entry ${quoted(fileName)} is neither stored nor deflated`);
    mayInflate -= uncompressedSize;
    if (mayInflate < 0) throw new Error('its entries are deflated beyond reason');
    const data = await inflate(raw, { maxOutputLength: Math.max(1, uncompressedSize) });
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
  const read = (name: string, fits: (size: number) => boolean): Promise<Uint8Array> =>
    orDamaged(file, async () => {
      const entry = entries.get(name);
      if (entry === undefined) throw new Error(`it has no entry ${quoted(name)}`);
      if (entry.isEncrypted()) throw new Error(`its entry ${quoted(name)} is encrypted`);
      if (!fits(entry.uncompressedSize)) {
        throw new Error(`its entry ${quoted(name)} has an unexpected size of ${entry.uncompressedSize} bytes`);
      }
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      const raw = bytes.subarray(fileDataStart, fileDataStart + entry.compressedSize);
      const data = entry.compressionMethod === 0 ? raw : await inflated(raw, entry);
      if (data.length !== entry.uncompressedSize) throw new Error(`its entry ${quoted(name)} has a wrong size`);
      // 0 means that the checksum was not computed: torch.serialization.set_crc32_options(False).
      if (entry.crc32 !== 0 && crc32(data) !== entry.crc32) {
        throw new Error(`its entry ${quoted(name)} does not have its checksum`);
      }
      return data;
    });
  return { names: [...entries.keys()], read };
}

/**
 * Turns an error of `body` into an INVALID_WEIGHTS. Its messages, like yauzl's, may quote the archive, so they are made
 * printable.
 */
function orDamaged<T>(file: string, body: () => Promise<T>): Promise<T> {
  return body().catch((error: unknown) => {
    const problem = shown(error instanceof Error ? error.message : String(error), 300);
    return damaged(file, `the zip archive is damaged: ${problem}`, error);
  });
}
