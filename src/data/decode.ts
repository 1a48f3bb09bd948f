import sharp from 'sharp';
import { L2TError } from '../errors.js';
import { limitError } from '../system/limits.js';
import { readWhole } from './reading.js';

/** `pixels` is uint8, height × width × 3, RGB. */
export interface DecodedImage {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/**
 * An image's sides as it lies on disk, pixels → by how much a JPEG may be reduced while it is decoded. sharp decodes at a half,
 * or a quarter, only where more than that is asked for.
 */
export type Reduction = (height: number, width: number) => 1 | 3 | 5;

/** 64 megapixels: a decompression bomb costs each core 200 MB at most. */
export const maxPixels = 2 ** 26;
/** What the addon resizes. */
const maxSide = 100_000;
const maxFileBytes = 2 ** 28;

/** Of the formats that are decoded; with its dot. */
export const isImageExtension = (extension: string): boolean => /^\.(png|jpe?g|webp|gif)$/i.test(extension);

/** PNG, JPEG, WebP or GIF by its first 12 bytes. */
export function looksLikeImage(start: Uint8Array): boolean {
  const text = Buffer.from(start.subarray(0, 12)).toString('latin1');
  return (
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    text.startsWith('\xff\xd8\xff') ||
    /^GIF8[79]a/.test(text) ||
    (text.startsWith('RIFF') && text.endsWith('WEBP'))
  );
}

/**
 * An image file as 8-bit RGB, as `decodeBytes` gives it.
 *
 * Throws as that; FILE_ACCESS where the file cannot be read.
 */
export async function decodeImage(file: string, reduction?: Reduction): Promise<DecodedImage> {
  return decodeBytes(await readWhole(file, maxFileBytes), file, reduction);
}

/**
 * A PNG, JPEG, WebP or GIF file's bytes as 8-bit RGB, those that Pillow's `convert('RGB')` gives: embedded colour
 * profiles and the EXIF orientation are ignored, alpha is dropped (not blended; where a GIF is transparent it is black),
 * grey is repeated three times, 16 bits keep their upper 8, CMYK is multiplied out; of an animation the first picture. A
 * JPEG is reduced as `reduction` says, which is asked in any case, with the sides as on disk; of 12 megapixels, by 3 in four
 * fifths of the time, by 5 in half of it. `name` is what messages call the image.
 *
 * Throws INVALID_DATA where the content is damaged, of another format, above 64 megapixels or 100,000 pixels a side;
 * OUT_OF_MEMORY, OUT_OF_THREADS.
 */
export async function decodeBytes(bytes: Uint8Array, name: string, reduction?: Reduction): Promise<DecodedImage> {
  if (!looksLikeImage(bytes)) {
    throw new L2TError('INVALID_DATA', `${name} is not a PNG, JPEG, WebP or GIF image. Replace or remove it.`);
  }
  try {
    const image = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: maxPixels });
    const isJpeg = bytes[0] === 0xff;
    const metadata = await image.metadata();
    const cmyk = isJpeg && metadata.space === 'cmyk';
    const factor = reduction?.(metadata.height, metadata.width) ?? 1;
    if (isJpeg && factor > 1) {
      const [width, height] = [metadata.width, metadata.height].map((side) => Math.ceil(side / factor));
      image.resize({ width, height, fit: 'fill', kernel: 'linear' });
    }
    const rgb = cmyk
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.removeAlpha().toColourspace('srgb');
    if (Math.max(metadata.height, metadata.width) > maxSide) throw new Error('it is over 100,000 pixels long');
    const { data, info } = await rgb.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { pixels: cmyk ? cmykToRgb(data) : data, height: info.height, width: info.width };
  } catch (cause) {
    const limit = limitError(cause);
    if (limit) throw limit;
    const reason = (cause as Error).message.split('\n')[0];
    throw new L2TError('INVALID_DATA', `${name} cannot be decoded: ${reason}. Replace or remove it.`, { cause });
  }
}

/** Per channel (1 − C)(1 − K) in Pillow's 8-bit rounding. Pixels × 4 → pixels × 3. */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const white = 255 - (cmyk[from + 3] as number);
    for (let channel = 0; channel < 3; channel++) {
      const product = (cmyk[from + channel] as number) * white + 128;
      rgb[to++] = Math.max(0, white - (((product >> 8) + product) >> 8));
    }
  }
  return rgb;
}
