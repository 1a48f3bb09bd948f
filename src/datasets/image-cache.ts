import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { resolve as absolute, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { fileError } from '../files.js';
import type { DecodedImage } from './decode.js';
import type { ImageList } from './image-list.js';
import type { Resize } from './reading.js';

/** Height, width, CRC-32 of the pixels: three little-endian words before them. */
const headerBytes = 12;

/**
 * A list whose images are read from `folder` once they were read: resized so that the short side is `short` pixels (smaller ones
 * stay as they are), not compressed. Random crops are then of the resized images, so results differ a little from those
 * without a cache. A damaged entry is made again.
 */
export function cached(list: ImageList, folder: string, short: number, resize: Resize): ImageList {
  return {
    ...list,
    async read(index, reduction) {
      const image = await readThrough(list, index, folder, short, resize);
      reduction?.(image.height, image.width);
      return image;
    },
  };
}

async function readThrough(list: ImageList, index: number, folder: string, short: number, resize: Resize) {
  const key = createHash('sha256').update(JSON.stringify(['l2t-native 1', absolute(list.name(index)), short]));
  const name = key.update(await list.identity(index)).digest('hex');
  const file = join(folder, name.slice(0, 2), name);
  const entry = await readFile(file).catch(() => undefined);
  const found = entry && parseEntry(entry);
  if (found) return found;
  const image = await shrunk(await list.read(index), short, resize);
  await writeEntry(join(folder, name.slice(0, 2)), name, image);
  return image;
}

function parseEntry(entry: Buffer): DecodedImage | undefined {
  if (entry.length < headerBytes) return undefined;
  const [height, width, sum] = [0, 4, 8].map((at) => entry.readUInt32LE(at)) as [number, number, number];
  const pixels = entry.subarray(headerBytes);
  return pixels.length === height * width * 3 && crc32(pixels) === sum ? { pixels, height, width } : undefined;
}

async function shrunk(image: DecodedImage, short: number, resize: Resize): Promise<DecodedImage> {
  const { pixels, height, width } = image;
  const factor = short / Math.min(height, width);
  if (factor >= 1) return image;
  const sides = [height, width].map((side) => Math.max(short, Math.floor(side * factor))) as [number, number];
  return { pixels: await resize(pixels, height, width, ...sides), height: sides[0], width: sides[1] };
}

/** Renamed into place, so that no reader sees half of it; the checksum finds what a crash left. */
async function writeEntry(folder: string, name: string, { pixels, height, width }: DecodedImage): Promise<void> {
  const header = Buffer.alloc(headerBytes);
  [height, width, crc32(pixels)].forEach((word, k) => {
    header.writeUInt32LE(word, 4 * k);
  });
  const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(temporary, [header, pixels]);
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError('write', join(folder, name), error);
  }
}
