import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { BatchDecoder } from '../../src/data/batch-decoder.js';
import { imageFiles } from '../../src/data/dataset.js';
import { decodeImage } from '../../src/data/decode.js';
import { drawsPerCrop } from '../../src/data/fit.js';
import { addon } from '../../src/native/addon.js';
import { failure, temporaryFolder, write } from './generate.js';

/** A picture that is smooth, so that reducing it while it is decoded changes little: channels are row, column and neither. */
const gradient = (height: number, width: number) =>
  Uint8Array.from({ length: height * width * 3 }, (_, at) => {
    const [row, column] = [Math.floor(at / 3 / width), Math.floor(at / 3) % width];
    return [(255 * row) / height, (255 * column) / width, 90][at % 3] as number;
  });

/** Area and proportions in the middle, top left: at 800 × 600 a box of 509 × 509. */
const draws = () => {
  const values = new Float64Array(drawsPerCrop);
  values.set([0.5, 0.5, 0, 0]);
  return values;
};

async function decoder(format: 'jpeg' | 'png', size: number, squash = false, orientation = 1) {
  const folder = temporaryFolder();
  const upright = sharp(gradient(600, 800), { raw: { height: 600, width: 800, channels: 3 } });
  // A camera that is held with its left side up stores the picture turned to the left: orientation 6.
  const stored = orientation === 6 ? upright.rotate(-90).withMetadata({ orientation }) : upright;
  write(join(folder, 'a.jpg'), await stored.toFormat(format).toBuffer());
  const list = imageFiles(folder, ['a.jpg', 'missing.jpg'], [0, 0]);
  return new BatchDecoder({ train: { list, size, squash } }, addon().resize);
}

const request = (images: number[], cropped: boolean) => ({
  type: 'decode' as const,
  ticket: 0,
  set: 'train' as const,
  images: Int32Array.from(images),
  ...(cropped && { draws: Float64Array.from(images.flatMap(() => [...draws()])) }),
});

const worst = (a: Uint8Array, b: Uint8Array) => Math.max(...a.map((value, at) => Math.abs(value - (b[at] as number))));

describe('batches decoded on demand', () => {
  it.each([
    ['upright', 1],
    ['with an EXIF orientation', 6],
  ])(
    'a crop is the same part of the picture, whether a JPEG is decoded whole or reduced: %s',
    async (_, orientation) => {
      // The box has 509 pixels a side: at 64 a JPEG is reduced by 5, a PNG decoded whole.
      const reduced = await (await decoder('jpeg', 64, false, orientation)).decode(request([0], true));
      const whole = await (await decoder('png', 64)).decode(request([0], true));
      expect(reduced?.length).toBe(64 * 64 * 3);
      // Three levels of 255: JPEG's own losses, and a box at whole pixels of the reduced picture (a pixel is 0.4 levels).
      expect(worst(reduced as Uint8Array, whole as Uint8Array)).toBeLessThanOrEqual(3);
      // Row and column at the crop's far corner: 509 of 600 and of 800.
      const corner = [...(whole as Uint8Array).slice(-3)];
      expect(corner[0]).toBeGreaterThan((255 * 500) / 600);
      expect(corner[0]).toBeLessThan((255 * 509) / 600);
      expect(corner[1]).toBeGreaterThan((255 * 500) / 800);
      expect(corner[1]).toBeLessThan((255 * 509) / 800);
    },
  );

  it('whole images are cut in the centre, or squashed for a network for small images', async () => {
    const fitted = await (await decoder('png', 64)).decode(request([0, 0], false));
    const squashed = await (await decoder('png', 64, true)).decode(request([0], false));
    expect(fitted?.slice(0, 64 * 64 * 3)).toEqual(fitted?.slice(64 * 64 * 3));
    // The left edge: of the squashed image the picture's own; of the fitted one that of a square in the middle.
    expect(squashed?.[1]).toBeLessThan(5);
    expect(fitted?.[1]).toBeGreaterThan(30);
  });

  it('names the image that cannot be read, and goes on with the next batch', async () => {
    const decode = await decoder('png', 64);
    const [broken, sound] = [decode.decode(request([0, 1], false)), decode.decode(request([0], false))];
    expect(await failure(broken)).toMatchObject({
      code: 'FILE_ACCESS',
      message: expect.stringMatching(/missing\.jpg/),
    });
    expect((await sound)?.length).toBe(64 * 64 * 3);
  });

  it('a JPEG is reduced to the announced part of its sides', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'odd.jpg');
    const upright = sharp(gradient(601, 803), { raw: { height: 601, width: 803, channels: 3 } });
    const lying = join(folder, 'lying.jpg');
    write(file, await upright.clone().jpeg().toBuffer());
    write(lying, await upright.rotate(90).withMetadata({ orientation: 8 }).jpeg().toBuffer());
    const seen: number[][] = [];
    const reduce = (factor: 1 | 3 | 5) => (height: number, width: number) => {
      seen.push([height, width]);
      return factor;
    };
    for (const path of [file, lying]) {
      const sides = [];
      for (const factor of [1, 3, 5] as const) {
        const { height, width } = await decodeImage(path, reduce(factor));
        sides.push([height, width]);
      }
      expect(seen.splice(0)).toEqual(Array(3).fill([601, 803]));
      expect(sides).toEqual([
        [601, 803],
        [201, 268],
        [121, 161],
      ]);
    }
  });
});
