import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import type { Damaged } from '../../src/data/damaged.js';
import type { Dataset } from '../../src/data/dataset.js';
import { decodeAll } from '../../src/data/image-sets.js';
import { type CifarVariant, cifar10, cifar100 } from '../../src/data/layouts/arrays.js';
import { openDataset } from '../../src/data/load.js';
import type { LoopOptions, Resize } from '../../src/data/reading.js';
import { type ErrorCode, L2TError } from '../../src/errors.js';
import { splitNames } from '../../src/options/datasets.js';

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'l2t-data-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file, making its folders. */
export function write(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** A pattern that no two (seed, place, channel) neighbours share. height × width × channels. */
export function pattern(seed: number, height = 32, width = height, channels = 3): Uint8Array {
  return Uint8Array.from(
    { length: height * width * channels },
    (_, at) => (seed * 71 + at * 37 + (at >> 5) * 11) & 255,
  );
}

type Format = 'png' | 'jpeg' | 'webp' | 'avif';

/** The pixels as a real image file; PNG and WebP lossless, AVIF nearly. */
export async function encode(pixels: Uint8Array, height: number, width: number, format: Format): Promise<Buffer> {
  const channels = (pixels.length / (height * width)) as 1 | 2 | 3 | 4;
  const image = sharp(pixels, { raw: { height, width, channels } });
  if (format === 'avif') return image.avif({ lossless: true, effort: 0 }).toBuffer();
  return image.toFormat(format, format === 'webp' ? { lossless: true, exact: true } : {}).toBuffer();
}

/** FOLDER/CLASS/0.png … with 32×32 images; image k of class c is pattern(10 c + k). */
export async function writeClasses(folder: string, classes: Record<string, number>): Promise<void> {
  for (const [label, [name, count]] of Object.entries(classes).entries()) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let image = 0; image < count; image++) {
      write(join(folder, name, `${image}.png`), await encode(pattern(10 * label + image), 32, 32, 'png'));
    }
  }
}

/** CIFAR-10 with 2 images a batch and 2 to test (every class once in train), or CIFAR-100 with 100 and 2. */
export function writeCifar(folder: string, variant: CifarVariant): void {
  const perFile = variant.classes / variant.train.length;
  const record = (label: number) => [...(variant.labelBytes === 2 ? [19] : []), label, ...planar(pattern(label))];
  variant.train.forEach((name, batch) => {
    const labels = Array.from({ length: perFile }, (_, index) => batch * perFile + index);
    write(join(folder, name), Uint8Array.from(labels.flatMap(record)));
  });
  write(join(folder, variant.test), Uint8Array.from([3, 1].flatMap(record)));
  const names = Array.from({ length: variant.classes }, (_, label) => `class ${label}`);
  write(join(folder, variant.names), `${names.join('\n')}\n\n`);
}

export const cifarVariants = [cifar10, cifar100];

/** 32 × 32 × 3 → 3 × 32 × 32. */
function planar(pixels: Uint8Array): number[] {
  return [0, 1, 2].flatMap((channel) => [...pixels.filter((_, at) => at % 3 === channel)]);
}

export function idxImages(images: readonly Uint8Array[], height: number, width: number): Buffer {
  return Buffer.concat([words(0x0803, images.length, height, width), ...images]);
}

export function idxLabels(labels: readonly number[]): Buffer {
  return Buffer.concat([words(0x0801, labels.length), Buffer.from(labels)]);
}

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => {
    buffer.writeUInt32BE(value, 4 * at);
  });
  return buffer;
}

/** Ten training images, one a class, and two to test; image of class c is pattern(c, side, side, 1). */
export function writeIdx(folder: string, { side = 28, compressed = false } = {}): void {
  const put = (name: string, bytes: Buffer) =>
    write(join(folder, compressed ? `${name}.gz` : name), compressed ? gzipSync(bytes) : bytes);
  for (const [prefix, labels] of [
    ['train', [...Array(10).keys()]],
    ['t10k', [7, 2]],
  ] as const) {
    const images = labels.map((label) => pattern(label, side, side, 1));
    put(`${prefix}-images-idx3-ubyte`, idxImages(images, side, side));
    put(`${prefix}-labels-idx1-ubyte`, idxLabels(labels));
  }
}

export interface DecodedSplit {
  readonly count: number;
  readonly labels: Int32Array;
  readonly pixels: Uint8Array;
}

/** A data set with every image decoded, size × size × 3. */
export async function decodeDataset(
  folder: string,
  { size, resize, ...options }: LoopOptions & { readonly size: number; readonly resize: Resize },
): Promise<
  Omit<Dataset, 'train' | 'validation' | 'test'> & {
    readonly [split in (typeof splitNames)[number]]: DecodedSplit | undefined;
  }
> {
  const data = await openDataset(folder);
  const present = splitNames.flatMap((name) => (data[name] ? [{ name, list: data[name], size }] : []));
  const damaged: Damaged[] = [];
  const decoded = await decodeAll(present, { ...options, folder }, resize, damaged);
  if (damaged[0]) throw damaged[0].error;
  const splits = present.map(({ name, list }, k) => [
    name,
    { count: list.count, labels: list.labels, pixels: decoded[k]?.[1] },
  ]);
  return { ...data, train: undefined, validation: undefined, test: undefined, ...Object.fromEntries(splits) };
}

/** Stands in for the addon's resize: the nearest pixel. */
export const nearest: Resize = async (pixels, height, width, outHeight, outWidth) =>
  Uint8Array.from({ length: outHeight * outWidth * 3 }, (_, at) => {
    const row = Math.floor((Math.floor(at / 3 / outWidth) * height) / outHeight);
    const column = Math.floor(((Math.floor(at / 3) % outWidth) * width) / outWidth);
    return pixels[(row * width + column) * 3 + (at % 3)] as number;
  });

/** Returns the L2TError that `work` rejects with, if any; any other error fails the test. */
export async function failure(work: Promise<unknown>): Promise<{ code: ErrorCode; message: string } | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof L2TError) return error;
    throw error;
  }
}
