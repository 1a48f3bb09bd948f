import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl';
import type { L2TError } from '../../errors.js';
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
  const archive = await Archive.open(bytes, file);
  const root = archive.root();
  await archive.requireLittleEndian(`${root}byteorder`);

  const storages = new Storages(file, bytes.length);
  const pickle = await archive.read(`${root}data.pkl`, (size) => size <= largestPickle);
  const where = `${file} (${root}data.pkl)`;
  const { value } = unpickle(pickle, 0, { where, persistentLoad: storages.persistentLoad });

  const loaded = new Map<string, Uint8Array>();
  const load = async ({ key, dtype, size }: StorageRef): Promise<Uint8Array> => {
    const data =
      loaded.get(key) ?? (await archive.read(`${root}data/${key}`, (found) => found === size * itemSize[dtype]));
    loaded.set(key, data);
    return data;
  };
  return {
    format: 'pth-zip',
    value,
    readTensor: async (name, ref) => storages.tensor(name, ref, await load(ref.storage)),
  };
}

/** A zip archive in memory. Sizes are checked before anything is inflated. */
class Archive {
  #mayInflate: number;

  private constructor(
    private readonly bytes: Uint8Array,
    private readonly file: string,
    private readonly zip: ZipFile,
    private readonly entries: ReadonlyMap<string, Entry>,
  ) {
    this.#mayInflate = inflateAllowance + inflatePerByte * bytes.length;
  }

  static async open(bytes: Uint8Array, file: string): Promise<Archive> {
    try {
      const zip = await fromBufferPromise(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      if (zip.entryCount > mostEntries) throw new Error(`it has more than ${mostEntries} entries`);
      const entries = new Map<string, Entry>();
      for await (const entry of zip.eachEntry()) {
        if (entries.has(entry.fileName)) throw new Error(`it has two entries ${quoted(entry.fileName)}`);
        entries.set(entry.fileName, entry);
      }
      return new Archive(bytes, file, zip, entries);
    } catch (error) {
      throw damaged(file, error);
    }
  }

  /** The only top-level folder, with its slash. The writer chooses its name. */
  root(): string {
    const roots = [...this.entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
    const [pickle] = roots;
    if (pickle === undefined || roots.length > 1) {
      throw invalidWeights(
        `${this.file} is a zip archive but not one of torch.save: it needs one entry NAME/data.pkl.`,
      );
    }
    return pickle.slice(0, -'data.pkl'.length);
  }

  /** Files from before PyTorch 2.1 do not have this entry; in practice they are little-endian. */
  async requireLittleEndian(name: string): Promise<void> {
    if (!this.entries.has(name)) return;
    const order = Buffer.from(await this.read(name, (size) => size <= 16)).toString('latin1');
    if (order !== 'little') {
      throw invalidWeights(
        `${this.file}: its byte order is ${quoted(order)}, and only little-endian files are read: save it again on such a machine.`,
      );
    }
  }

  /** An entry's content: a view if it is stored, as by PyTorch, else inflated. Throws unless its size `fits`. */
  async read(name: string, fits: (size: number) => boolean): Promise<Uint8Array> {
    try {
      const entry = this.entries.get(name);
      if (entry === undefined) throw new Error(`it has no entry ${quoted(name)}`);
      if (entry.isEncrypted()) throw new Error(`its entry ${quoted(name)} is encrypted`);
      if (!fits(entry.uncompressedSize)) {
        throw new Error(`its entry ${quoted(name)} has an unexpected size of ${entry.uncompressedSize} bytes`);
      }
      const { fileDataStart } = await this.zip.readLocalFileHeaderPromise(entry, { minimal: true });
      const raw = this.bytes.subarray(fileDataStart, fileDataStart + entry.compressedSize);
      const data = entry.compressionMethod === 0 ? raw : await this.#inflate(raw, entry);
      if (data.length !== entry.uncompressedSize) throw new Error(`its entry ${quoted(name)} has a wrong size`);
      // 0 means that the checksum was not computed: torch.serialization.set_crc32_options(False).
      if (entry.crc32 !== 0 && crc32(data) !== entry.crc32) {
        throw new Error(`its entry ${quoted(name)} does not have its checksum`);
      }
      return data;
    } catch (error) {
      throw damaged(this.file, error);
    }
  }

  async #inflate(raw: Uint8Array, { fileName, compressionMethod, uncompressedSize }: Entry): Promise<Uint8Array> {
    if (compressionMethod !== 8) throw new Error(`its entry ${quoted(fileName)} is neither stored nor deflated`);
    this.#mayInflate -= uncompressedSize;
    if (this.#mayInflate < 0) throw new Error('its entries are deflated beyond reason');
    const data = await inflate(raw, { maxOutputLength: Math.max(1, uncompressedSize) });
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

/**
 * Turns an error into an INVALID_WEIGHTS. yauzl and this class throw plain Errors, whose messages may quote the
 * archive, so they are made printable.
 */
function damaged(file: string, error: unknown): L2TError {
  const problem = shown(error instanceof Error ? error.message : String(error), 300);
  return invalidWeights(`${file}: the zip archive is damaged: ${problem}. Fetch or save it again.`, error);
}
