import sharp from 'sharp';
import type { ImageList } from '../data/dataset.js';
import { forEachParallel } from '../data/reading.js';
import { largest, smallest } from '../system/statistics.js';
import { dataUrl, type Html, html } from './page/html.js';

/** Side of a thumbnail in the file, pixels. */
const side = 48;

/** A heat map over an image: values of a square, row-major. */
interface Heat {
  readonly side: number;
  readonly values: Float32Array;
}

/** Small pictures of some images of a list. Each is in the page once, however often it is shown. */
export class Thumbnails {
  private constructor(
    /** The pictures, to be put into the page once. */
    readonly definitions: Html,
    private readonly heat: ReadonlyMap<Heat, Html>,
    readonly name: (image: number) => string,
  ) {}

  /**
   * `squash`: resizes as for networks for small images (fitImage); else takes the centre. `maps`: heat maps to show
   * over images. `name`: an image's name for screen readers.
   */
  static async of(
    images: ImageList,
    positions: Iterable<number>,
    maps: readonly Heat[],
    squash: boolean,
    name: (image: number) => string,
  ): Promise<Thumbnails> {
    const shown = [...new Set(positions)];
    const urls: string[] = [];
    await forEachParallel(shown.length, async (k) => {
      urls[k] = await thumbnail(images, shown[k] as number, squash ? 'fill' : 'cover');
    });
    const pictures = shown.map(
      (image, k) => html`<image id="image-${image}" width="${side}" height="${side}" href="${urls[k]}"/>`,
    );
    const heat = await Promise.all(maps.map(async (map) => [map, await heatMap(map)] as const));
    const definitions = html`<svg width="0" height="0" aria-hidden="true"><defs>${pictures}</defs></svg>`;
    return new Thumbnails(definitions, new Map(heat), name);
  }

  /** `over`: one of the maps, for which the picture loses its own colours. */
  show(image: number, over?: Heat): Html {
    return html`<svg class="${over ? 'thumb grey' : 'thumb'}" viewBox="0 0 ${side} ${side}" role="img" aria-label="${this.name(image)}"><use href="#image-${image}"/>${over && this.heat.get(over)}</svg>`;
  }
}

async function thumbnail(images: ImageList, image: number, fit: 'fill' | 'cover'): Promise<string> {
  const { pixels, height, width } = await images.read(image, (...sides) => (Math.min(...sides) > 6 * side ? 5 : 1));
  const small = sharp(pixels, { raw: { width, height, channels: 3 } });
  const fitted = small.resize({ width: side, height: side, fit });
  return dataUrl('webp', await fitted.webp({ quality: 70 }).toBuffer());
}

/** Colours of a heat map: transparent where the value is lowest, red where it is highest. */
async function heatMap({ values, side: size }: Heat): Promise<Html> {
  const [low, high] = [smallest([...values]), largest([...values])];
  const pixels = new Uint8Array(4 * values.length);
  values.forEach((value, i) => {
    pixels.set([255, 40, 0, high > low ? (200 * (value - low)) / (high - low) : 0], 4 * i);
  });
  const picture = sharp(pixels, { raw: { width: size, height: size, channels: 4 } });
  const png = await picture.png({ palette: true }).toBuffer();
  return html`<image width="${side}" height="${side}" preserveAspectRatio="none" href="${dataUrl('png', png)}"/>`;
}
