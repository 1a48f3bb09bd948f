/**
 * `npx tsx tools/serving/decoding.ts`: what decoding takes by kind of image, each in a process of its own. Prints as Markdown how much memory the
 * process takes at its peak beyond what it had, and the time of all its threads. Images have one colour, which makes small files: memory
 * depends on the number of pixels only. Then it says how many images of ImageNet's average size are decoded a second for training.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import { BatchDecoder } from '../../src/data/batch-decoder.js';
import { type ImageList, imageArray } from '../../src/data/dataset.js';
import { decodeBytes } from '../../src/data/decode.js';
import { drawsPerCrop } from '../../src/data/fit.js';
import { addon } from '../../src/native/addon.js';

const kinds: Readonly<Record<string, (image: Sharp) => Sharp>> = {
  JPEG: (image) => image.jpeg({ chromaSubsampling: '4:4:4' }),
  'JPEG, progressive': (image) => image.jpeg({ chromaSubsampling: '4:4:4', progressive: true }),
  'JPEG, CMYK': (image) => image.toColourspace('cmyk').jpeg(),
  'JPEG, CMYK, progressive': (image) => image.toColourspace('cmyk').jpeg({ progressive: true }),
  PNG: (image) => image.png(),
  'PNG, interlaced': (image) => image.png({ progressive: true }),
  'PNG, 16 bits with alpha': (image) => image.ensureAlpha().toColourspace('rgb16').png(),
  'PNG, 16 bits with alpha, interlaced': (image) =>
    image.ensureAlpha().toColourspace('rgb16').png({ progressive: true }),
  WebP: (image) => image.webp({ lossless: true, effort: 0 }),
  GIF: (image) => image.gif(),
  'AVIF, half as high': (image) => image.avif({ effort: 0 }),
  'AVIF, 12 bits, half as high': (image) => image.avif({ effort: 0, bitdepth: 12, chromaSubsampling: '4:4:4' }),
};
const sides = [
  [6000, 4000],
  [8000, 8000],
] as const;

/** EXIF data that say: the image is stored turned (orientation 6). */
const exif = Buffer.from('4578696600004d4d002a00000008000101120003000000010006000000000000', 'hex');

/** The image with that EXIF data. A GIF has none. */
async function turned(image: Sharp, file: Buffer): Promise<Buffer | undefined> {
  if (file[0] === 0x47) return undefined;
  if (file[0] !== 0xff) return image.withMetadata({ orientation: 6 }).toBuffer();
  // sharp would convert CMYK.
  const head = Buffer.from([0xff, 0xe1, 0, exif.length + 2]);
  return Buffer.concat([file.subarray(0, 2), head, exif, file.subarray(2)]);
}

/** In a process of its own. */
async function decodingCost(file: string): Promise<void> {
  const small = await sharp({ create: { width: 64, height: 64, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  await decodeBytes(small, 'the first image');
  const bytes = readFileSync(file);
  const before = { memory: process.memoryUsage.rss(), time: process.cpuUsage() };
  await decodeBytes(bytes, file);
  const { user, system } = process.cpuUsage(before.time);
  const memory = process.resourceUsage().maxRSS * 1024 - before.memory;
  process.send?.(`${(memory / 1e6).toFixed(0)} MB, ${((user + system) / 1e6).toFixed(1)} s`);
}

async function measured(bytes: Buffer | undefined): Promise<string> {
  if (bytes === undefined) return '';
  const file = join(folder, 'image');
  writeFileSync(file, bytes);
  const [answer] = await once(fork(fileURLToPath(import.meta.url), [file]), 'message');
  return answer as string;
}

/** Images a second on all cores: JPEGs of 500 × 375 and some 100 kB, a random resized crop of each to 224 × 224. */
async function trainingRate(): Promise<number> {
  const [width, height, size, count, seconds] = [500, 375, 224, 64, 2];
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, at) => {
    const [row, column] = [Math.floor(at / 3 / width), Math.floor(at / 3) % width];
    return 110 + 70 * Math.sin(row / 31) * Math.cos(column / 23) + ((Math.imul(at, 2654435761) >>> 16) % 40);
  });
  const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
  const array = imageArray(
    (k) => `picture ${k}`,
    [height, width],
    new Int32Array(count),
    () => jpeg,
  );
  const read: ImageList['read'] = (k, reduction) => decodeBytes(jpeg, array.name(k), reduction);
  const list = { ...array, sides: undefined, read };
  const decoder = new BatchDecoder({ train: { list, size, squash: false } }, addon().resize);
  const images = Int32Array.from({ length: count }, (_, k) => k);
  const start = performance.now();
  for (let decoded = count; ; decoded += count) {
    const draws = Float64Array.from({ length: count * drawsPerCrop }, Math.random);
    await decoder.decode({ type: 'decode', ticket: 0, set: 'train', images, draws });
    const taken = (performance.now() - start) / 1000;
    if (taken >= seconds) return decoded / taken;
  }
}

const [, , file] = process.argv;
const folder = file === undefined ? mkdtempSync(join(tmpdir(), 'l2t-decoding-')) : '';
if (file !== undefined) await decodingCost(file);
else {
  const columns = sides.flatMap(([width, height]) => [`${width}×${height}`, 'turned by EXIF']);
  process.stdout.write(`| image | ${columns.join(' | ')} |\n|---${'|---'.repeat(columns.length)}|\n`);
  for (const [kind, encode] of Object.entries(kinds)) {
    const cells: string[] = [];
    for (const [width, whole] of sides) {
      const height = kind.endsWith('half as high') ? whole / 2 : whole;
      const image = encode(sharp({ create: { width, height, channels: 3, background: 'crimson' } }));
      const bytes = await image.clone().toBuffer();
      cells.push(await measured(bytes), await measured(await turned(image, bytes)));
    }
    process.stdout.write(`| ${kind} | ${cells.join(' | ')} |\n`);
  }
  process.stdout.write(`\n${(await trainingRate()).toFixed(0)} images/s are decoded for training at 224 pixels\n`);
  rmSync(folder, { recursive: true });
}
