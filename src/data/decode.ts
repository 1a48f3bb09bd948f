import { extname } from 'node:path';
import sharp from 'sharp';
import { invalidData } from '../system/failures.js';
import { limitError } from '../system/limits.js';
import { readStart, readWhole } from './reading.js';

/** An image as raw pixels. */
export interface DecodedImage {
  /** uint8, height × width × 3, RGB. */
  readonly pixels: Uint8Array;
  /** Pixels. */
  readonly height: number;
  /** Pixels. */
  readonly width: number;
}

/** An image of a file or an array. */
export interface ReadImage extends DecodedImage {
  /** True if the file has the image turned or mirrored, by its EXIF orientation. The pixels and sides here are upright. */
  readonly turned?: boolean;
}

/**
 * Takes the height and width of an image, upright, in pixels, and returns the factor by which a JPEG may be reduced
 * while it is decoded. Why 3 and 5: sharp decodes at 1/2 or 1/4 only if the factor is greater than 2 or 4.
 */
export type Reduction = (height: number, width: number) => 1 | 3 | 5;

/**
 * 64 megapixels: docs/typescript.md lists how much memory an image of that size takes while it is decoded. An AVIF takes
 * twice as much as others of its size, so it may have half the pixels.
 */
export const maxPixels = 2 ** 26;
/** The longest side that the addon can resize, pixels. */
const maxSide = 100_000;
export const maxFileBytes = 2 ** 28;

/** The formats that can be decoded, for messages and help. */
export const imageFormats = 'PNG, JPEG, WebP, GIF or AVIF';

/** How to get images of a common format that cannot be decoded. */
export const heicAdvice =
  'HEIC is not read. Convert such images to JPEG: heif-convert IN.heic OUT.jpg (libheif), or magick IN.heic OUT.jpg (ImageMagick).';

/** Checks whether an extension (with its dot) is of a format that can be decoded. */
export const isImageExtension = (extension: string): boolean => /^\.(png|jpe?g|webp|gif|avif)$/i.test(extension);

/** Number of bytes at a file's start that show its format. */
const startBytes = 64;

/** Checks whether a file has a known extension, or else a content that looks like an image. */
export const isImageFile = async (path: string): Promise<boolean> =>
  isImageExtension(extname(path)) || looksLikeImage(await readStart(path, startBytes));

/** Checks whether the first bytes look like an image that can be decoded. */
function looksLikeImage(start: Uint8Array): boolean {
  const text = Buffer.from(start.subarray(0, 12)).toString('latin1');
  return (
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('\xff\xd8\xff') ||
    /^GIF8[79]a/.test(text) ||
    (text.startsWith('RIFF') && text.endsWith('WEBP')) ||
    isAvif(start)
  );
}

const isAvif = (start: Uint8Array): boolean => hasBrand(start, /^avi[fs]$/);

/** Checks whether a HEIF file (AVIF and HEIC are of this kind) has one of these brands. */
function hasBrand(start: Uint8Array, brand: RegExp): boolean {
  const bytes = Buffer.from(start.subarray(0, startBytes));
  if (bytes.length < 12 || bytes.toString('latin1', 4, 8) !== 'ftyp') return false;
  const brands = bytes.toString('latin1', 8, bytes.readUInt32BE(0)).match(/.{4}/gs) ?? [];
  return brands.some((each) => brand.test(each));
}

/** Decodes an image file to 8-bit RGB by `decodeBytes`. */
export async function decodeImage(file: string, reduction?: Reduction, limit?: number): Promise<ReadImage> {
  return decodeBytes(await readWhole(file, maxFileBytes), file, reduction, limit);
}

/**
 * Decodes the bytes of an image file to 8-bit RGB, with the same result as Pillow's `exif_transpose` and
 * `convert('RGB')`: the EXIF orientation is applied, as far as it can be read (for an AVIF, which says it in properties
 * of its own, these instead); embedded colour profiles are ignored; alpha is dropped, not blended (transparent parts of
 * a GIF become black); grey is repeated three times; 16 bits keep their upper 8; CMYK is multiplied out; of an animation,
 * the first picture is taken. `reduction` is called for every format; only a JPEG is reduced by its result. A JPEG of 12
 * megapixels then takes four fifths of the time (factor 3) or half of it (factor 5). Messages call the image `name`.
 *
 * Throws INVALID_DATA if the content is damaged, of another format, above `limit` pixels (an AVIF: half of them) or
 * 100,000 pixels a side; OUT_OF_MEMORY, OUT_OF_THREADS.
 */
export async function decodeBytes(
  bytes: Uint8Array,
  name: string,
  reduction?: Reduction,
  limit = maxPixels,
): Promise<ReadImage> {
  if (!looksLikeImage(bytes)) {
    if (hasBrand(bytes, /^(hei[cmsx]|hev[cx]|mif1)$/)) throw invalidData(`${name} is a HEIC image. ${heicAdvice}`);
    throw invalidData(`${name} is not a ${imageFormats} image. Replace or remove it.`);
  }
  const limitInputPixels = isAvif(bytes) ? Math.floor(limit / 2) : limit;
  try {
    const input = exifFirst(bytes);
    const image = sharp(input, { failOn: 'error', ignoreIcc: true, limitInputPixels, autoOrient: true });
    const isJpeg = bytes[0] === 0xff;
    const { autoOrient: upright, orientation = 1, space } = await image.metadata();
    const cmyk = isJpeg && space === 'cmyk';
    const factor = reduction?.(upright.height, upright.width) ?? 1;
    if (isJpeg && factor > 1) {
      const [width, height] = [upright.width, upright.height].map((side) => Math.ceil(side / factor));
      image.resize({ width, height, fit: 'fill', kernel: 'linear' });
    }
    const rgb = cmyk
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.removeAlpha().toColourspace('srgb');
    if (Math.max(upright.height, upright.width) > maxSide) throw new Error('it is over 100,000 pixels long');
    const { data, info } = await rgb.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const { height, width } = info;
    return { pixels: cmyk ? cmykToRgb(data) : data, height, width, ...(orientation > 1 && { turned: true }) };
  } catch (cause) {
    const problem = limitError(cause);
    if (problem) throw problem;
    // Before its reason, libvips lists where it could not go on reading.
    const reason = (cause as Error).message.split('\n').find((line) => !line.startsWith('source: ')) ?? '';
    const why = /exceeds pixel limit/.test(reason) ? `it has more than ${limitInputPixels} pixels` : reason;
    throw invalidData(`${name} cannot be decoded: ${why}. Replace or remove it.`, cause);
  }
}

/** Names of a PNG's chunks, as numbers. */
const chunks = { IDAT: 0x49444154, eXIf: 0x65584966 };

/**
 * A PNG's EXIF data may stand behind its pixels, where libpng does not look for them in time: they are moved to the
 * front. Other files are returned as they are.
 */
function exifFirst(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x89) return bytes;
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let pixels = 0;
  for (let at = 8; at + 12 <= file.length; at += 12 + file.readUInt32BE(at)) {
    const type = file.readUInt32BE(at + 4);
    if (type === chunks.IDAT) pixels ||= at;
    if (type !== chunks.eXIf) continue;
    const end = at + 12 + file.readUInt32BE(at);
    if (pixels === 0 || end > file.length) return bytes;
    return Buffer.concat([
      file.subarray(0, pixels),
      file.subarray(at, end),
      file.subarray(pixels, at),
      file.subarray(end),
    ]);
  }
  return bytes;
}

/** (1 − C)(1 − K) for each channel, with Pillow's 8-bit rounding. Overwrites pixels × 4 by pixels × 3, which it returns. */
function cmykToRgb(pixels: Uint8Array): Uint8Array {
  let to = 0;
  for (let from = 0; from < pixels.length; from += 4) {
    const white = 255 - (pixels[from + 3] as number);
    for (let channel = 0; channel < 3; channel++) {
      const product = (pixels[from + channel] as number) * white + 128;
      pixels[to++] = Math.max(0, white - (((product >> 8) + product) >> 8));
    }
  }
  return pixels.subarray(0, to);
}
