import sharp from 'sharp';
import type { ImageList } from '../data/image-list.js';
import { forEachParallel } from '../data/reading.js';
import { dataUrl } from './page/figures.js';
import { type Html, html } from './page/html.js';

/** Side of a thumbnail in the file, pixels. */
const side = 48;

/** Small pictures of some images of a list. Each is in the page once, however often it is shown. */
export class Thumbnails {
  private constructor(
    /** The pictures, to be put into the page once. */
    readonly definitions: Html,
    readonly name: (image: number) => string,
  ) {}

  /**
   * `squash`: as networks for small images see them (fitImage); else the centre. `name`: what a screen reader says of an
   * image.
   */
  static async of(
    images: ImageList,
    positions: Iterable<number>,
    squash: boolean,
    name: (image: number) => string,
  ): Promise<Thumbnails> {
    const wanted = [...new Set(positions)];
    const urls: string[] = [];
    await forEachParallel(wanted.length, async (k) => {
      urls[k] = await thumbnail(images, wanted[k] as number, squash ? 'fill' : 'cover');
    });
    const pictures = wanted.map(
      (image, k) => html`<image id="image-${image}" width="${side}" height="${side}" href="${urls[k]}"/>`,
    );
    return new Thumbnails(html`<svg width="0" height="0" aria-hidden="true"><defs>${pictures}</defs></svg>`, name);
  }

  /** `over`: a heat map, for which the picture loses its own colours. */
  show(image: number, over?: Html): Html {
    return html`<svg class="${over ? 'thumb grey' : 'thumb'}" viewBox="0 0 ${side} ${side}" role="img" aria-label="${this.name(image)}"><use href="#image-${image}"/>${over}</svg>`;
  }
}

async function thumbnail(images: ImageList, image: number, fit: 'fill' | 'cover'): Promise<string> {
  const { pixels, height, width } = await images.read(image, (...sides) => (Math.min(...sides) > 6 * side ? 5 : 1));
  const small = sharp(pixels, { raw: { width, height, channels: 3 } });
  const fitted = small.resize({ width: side, height: side, fit });
  return dataUrl('webp', await fitted.webp({ quality: 70 }).toBuffer());
}

/** Colours of a heat map: transparent where the value is lowest, red where it is highest. PNG, side × side. */
export async function heatMap(values: Float32Array, size: number): Promise<Html> {
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  const pixels = new Uint8Array(4 * values.length);
  values.forEach((value, i) => {
    pixels.set([255, 40, 0, high > low ? (200 * (value - low)) / (high - low) : 0], 4 * i);
  });
  const png = await sharp(pixels, { raw: { width: size, height: size, channels: 4 } })
    .png({ palette: true })
    .toBuffer();
  return html`<image width="${side}" height="${side}" preserveAspectRatio="none" href="${dataUrl('png', png)}"/>`;
}
