import sharp from 'sharp';
import { L2TError } from '../errors.js';
import { limitError } from '../system/limits.js';
import { readWhole } from './reading.js';

/** An image as raw pixels. */
export interface DecodedImage {
  /** uint8, height × width × 3, RGB. */
  readonly pixels: Uint8Array;
  /** Pixels. */
  readonly height: number;
  /** Pixels. */
  readonly width: number;
}

/**
 * Takes an image's height and width on disk, in pixels, and returns the factor by which a JPEG may be reduced while it
 * is decoded. Why 3 and 5: sharp decodes at 1/2 or 1/4 only if the factor is greater than 2 or 4.
 */
export type Reduction = (height: number, width: number) => 1 | 3 | 5;

/** 64 megapixels, so that a decompression bomb takes 200 MB for each core; progressive or interlaced, about 400 MB. */
export const maxPixels = 2 ** 26;
/** The longest side that the addon can resize, pixels. */
const maxSide = 100_000;
export const maxFileBytes = 2 ** 28;

/** Is it the extension (with its dot) of a format that can be decoded? */
export const isImageExtension = (extension: string): boolean => /^\.(png|jpe?g|webp|gif)$/i.test(extension);

/** Do the first 12 bytes look like a PNG, JPEG, WebP or GIF? */
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
 * Decodes an image file to 8-bit RGB by `decodeBytes`.
 *
 * Throws its errors; FILE_ACCESS if the file cannot be read.
 */
export async function decodeImage(file: string, reduction?: Reduction): Promise<DecodedImage> {
  return decodeBytes(await readWhole(file, maxFileBytes), file, reduction);
}

/**
 * Decodes the bytes of a PNG, JPEG, WebP or GIF file to 8-bit RGB, with the same result as Pillow's `convert('RGB')`:
 * embedded colour profiles and the EXIF orientation are ignored; alpha is dropped, not blended (transparent parts of a
 * GIF become black); grey is repeated three times; 16 bits keep their upper 8; CMYK is multiplied out; of an animation,
 * the first picture is taken. `reduction` is called for every format, with the sides on disk; only a JPEG is reduced by
 * its result. A JPEG of 12 megapixels then takes four fifths of the time (factor 3) or half of it (factor 5). Messages
 * call the image `name`.
 *
 * Throws INVALID_DATA if the content is damaged, of another format, above 64 megapixels or 100,000 pixels a side;
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

/** (1 − C)(1 − K) for each channel, with Pillow's 8-bit rounding. Pixels × 4 → pixels × 3. */
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
