import { itemSize } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { quoted } from '../../system/printable.js';
import { unpickle } from './pickle.js';
import { isSequence, type PickleValue } from './pickle-values.js';
import { type PthFile, Storages } from './pth-storages.js';

/** A file of torch.save before 1.6 begins with 0x1950a86a20f9469cfc6c as a pickle (protocol 2, LONG1 of 10 bytes). */
const magic = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

const formatVersion = 1001;

export function isLegacyPth(bytes: Uint8Array): boolean {
  // Byte 1 is the protocol, which the writer may choose.
  return bytes.length >= magic.length && magic.every((byte, i) => i === 1 || bytes[i] === byte);
}

/**
 * Opens the older format. It consists of pickles (the magic number, the format version, the writer's system, the
 * object, the list of storage keys), then each storage as an int64 count and its elements.
 */
export function openLegacyPth(bytes: Uint8Array, file: string): PthFile {
  const storages = new Storages(file, bytes.length);
  let at = magic.length;
  const next = (part: string): PickleValue => {
    const where = `${file} (${part})`;
    const { value, end } = unpickle(bytes, at, { where, persistentLoad: storages.persistentLoad });
    at = end;
    return value;
  };

  const version = next('format version');
  if (version !== formatVersion) fail(file, `its format version is not ${formatVersion}`);
  const system = next('system');
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    fail(file, 'it was written on a big-endian machine, or is damaged');
  }
  const value = next('object');
  const keys = next('storage keys');
  // The bytes of each storage, by its key, as views into the file.
  const data = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of isSequence(keys) ? keys : fail(file, 'it has no list of storages')) {
    const root = typeof key === 'string' ? storages.roots.get(key) : undefined;
    if (root === undefined || data.has(root.key)) return fail(file, 'its list of storages is not that of its tensors');
    if (bytes.length - at < 8) fail(file, `it ends before storage ${quoted(root.key)}: it is cut short`);
    const count = view.getBigInt64(at, true);
    if (count !== BigInt(root.size)) {
      fail(file, `storage ${quoted(root.key)} at byte ${at} has ${count} elements where ${root.size} are announced`);
    }
    const end = at + 8 + root.size * itemSize(root.dtype);
    if (end > bytes.length) {
      fail(file, `storage ${quoted(root.key)} ends at byte ${end} of ${bytes.length}: the file is cut short`);
    }
    data.set(root.key, bytes.subarray(at + 8, end));
    at = end;
  }
  return {
    format: 'pth-legacy',
    value,
    async readTensor(name, ref) {
      const storage = data.get(ref.storage.key);
      return storage === undefined
        ? fail(file, `the storage of ${quoted(name)} is missing`)
        : storages.tensor(name, ref, storage);
    },
  };
}

function fail(file: string, problem: string): never {
  throw invalidWeights(`${file}: ${problem}. Fetch or save the file again.`);
}
