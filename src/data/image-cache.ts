import { createHash } from 'node:crypto';
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { resolve as absolute, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { fileError, isTemporary, makeFolder, reaching, readFileBytes, temporaryOf } from '../system/files.js';
import type { ImageList } from './dataset.js';
import type { DecodedImage } from './decode.js';
import type { Resize } from './reading.js';

/** An entry's header, before the pixels: height, width and the pixels' CRC-32, as little-endian 32-bit words. */
const headerBytes = 12;

/**
 * A folder that keeps resized images, uncompressed, for later reads. Their short side is `short` pixels (smaller images
 * keep their size). Random crops are taken from the resized images, so results differ slightly from those without a
 * cache. A damaged entry is replaced. If entries cannot be written, images without one are resized on every read.
 */
export class ImageCache {
  /** False once an entry could not be written. */
  writable = true;
  /** Folders from which the temporary files of killed processes were removed. */
  readonly #cleared = new Set<string>();

  /** `onWarning` is called once if entries cannot be written. */
  constructor(
    private readonly folder: string,
    private readonly resize: Resize,
    private readonly onWarning: ((message: string) => void) | undefined,
  ) {}

  /** The same list, but its images are read through the cache. */
  list(list: ImageList, short: number): ImageList {
    return {
      ...list,
      read: async (index, reduction) => {
        const file = await this.#file(list, index, short);
        const entry = await readFileBytes(file).catch(() => undefined);
        let image = entry && parseEntry(Buffer.from(entry.buffer));
        if (image === undefined) {
          image = await shrunk(await list.read(index), short, this.resize);
          await this.#write(file, image);
        }
        reduction?.(image.height, image.width);
        return image;
      },
    };
  }

  /** Writes the entry of an image if there is none. */
  async fill(list: ImageList, short: number, index: number): Promise<void> {
    const file = await this.#file(list, index, short);
    const entry = await stat(file).catch(() => undefined);
    if (entry || !this.writable) return;
    await this.#write(file, await shrunk(await list.read(index), short, this.resize));
  }

  /**
   * An entry's path: the hash of the image's name, its identity, the file's modification time (0 for an image in an
   * array), and `short`. Entries are spread over 256 folders.
   */
  async #file(list: ImageList, index: number, short: number): Promise<string> {
    const path = list.file(index);
    const changed = path === undefined ? 0 : (await reaching(path, () => stat(path))).mtimeMs;
    const key = JSON.stringify(['l2t-native 2', absolute(list.name(index)), changed, short]);
    const hash = createHash('sha256').update(key);
    const digest = hash.update(await list.identity(index)).digest('hex');
    return join(this.folder, digest.slice(0, 2), digest);
  }

  async #write(file: string, image: DecodedImage): Promise<void> {
    if (!this.writable) return;
    const folder = dirname(file);
    if (!this.#cleared.has(folder)) {
      this.#cleared.add(folder);
      await removeOld(folder);
    }
    await writeEntry(file, image).catch((error: unknown) => {
      if (this.writable)
        this.onWarning?.(`${fileError('write', file, error).message} The run goes on without the cache.`);
      this.writable = false;
    });
  }
}

function parseEntry(entry: Buffer): DecodedImage | undefined {
  if (entry.length < headerBytes) return undefined;
  const [height, width, sum] = [0, 4, 8].map((at) => entry.readUInt32LE(at)) as [number, number, number];
  const pixels = entry.subarray(headerBytes);
  // After a power failure an entry may be all zeros: an image without pixels, with the right checksum.
  const fits = pixels.length > 0 && pixels.length === height * width * 3;
  return fits && crc32(pixels) === sum ? { pixels, height, width } : undefined;
}

async function shrunk(image: DecodedImage, short: number, resize: Resize): Promise<DecodedImage> {
  const { pixels, height, width } = image;
  const least = Math.min(height, width);
  if (least <= short) return image;
  // The same rounding as in fitImage, so that evaluation gives the same result with and without a cache.
  const sides = { height: Math.floor((short * height) / least), width: Math.floor((short * width) / least) };
  return { pixels: await resize(pixels, height, width, sides.height, sides.width), ...sides };
}

/** Milliseconds after which a temporary file is removed: a newer one may belong to another process. */
const longestWrite = 3_600_000;

/** Removes the temporary files of killed processes. Files that cannot be removed do no harm. */
async function removeOld(folder: string): Promise<void> {
  for (const name of (await readdir(folder).catch(() => [])).filter(isTemporary)) {
    const file = join(folder, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > longestWrite) await rm(file, { force: true }).catch(() => {});
  }
}

/** Renames the entry into place, so that no reader sees an incomplete one. The checksum detects crash damage. */
async function writeEntry(file: string, { pixels, height, width }: DecodedImage): Promise<void> {
  const header = Buffer.alloc(headerBytes);
  [height, width, crc32(pixels)].forEach((word, k) => {
    header.writeUInt32LE(word, 4 * k);
  });
  const temporary = temporaryOf(file);
  try {
    await makeFolder(dirname(file));
    await writeFile(temporary, [header, pixels], { flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}
