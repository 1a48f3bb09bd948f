import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Entry, fromBufferPromise } from 'yauzl';
import { itemSize } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { quoted, shown } from '../../system/printable.js';
import { unpickle } from './pickle.js';
import type { StorageRef } from './pickle-values.js';
import { type PthFile, Storages } from './pth-storages.js';

const inflate = promisify(inflateRaw);

const mostEntries = 100_000;
const largestPickle = 2 ** 28;
/**
 * Bytes that all inflated entries may have together, besides `inflatePerByte` for each byte of the file. PyTorch itself
 * does not compress.
 */
const inflateAllowance = 2 ** 26;
const inflatePerByte = 32;

export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 0x03 && bytes[3] === 0x04;
}

/** Opens the format since PyTorch 1.6: a zip with NAME/data.pkl, and each storage's elements in NAME/data/KEY. */
export async function openZipPth(bytes: Uint8Array, file: string): Promise<PthFile> {
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
async function orDamaged<T>(file: string, body: () => Promise<T>): Promise<T> {
  return body().catch((error: unknown) => {
    const problem = shown(error instanceof Error ? error.message : String(error), 300);
    throw invalidWeights(`${file}: the zip archive is damaged: ${problem}. Fetch or save it again.`, error);
  });
}
