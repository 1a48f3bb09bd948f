import { describe, expect, it } from 'vitest';
import { drawsPerCrop, fitImage, randomResizedCrop, reductionFor } from '../../src/data/fit.js';
import { Random } from '../../src/data/random.js';
import { failure, nearest, pattern } from './generate.js';

const random = new Random(3);
const draws = () => Float64Array.from({ length: drawsPerCrop }, () => random.uniform());

describe('random resized crop', () => {
  it.each([
    [375, 500],
    [500, 200],
    [64, 64],
  ])('of %i × %i: in the image, of allowed area and proportions, everywhere', (height, width) => {
    const boxes = Array.from({ length: 2000 }, () => randomResizedCrop(height, width, draws()));
    for (const box of boxes) {
      expect([box.top >= 0, box.left >= 0, box.top + box.height <= height, box.left + box.width <= width]).toEqual(
        Array(4).fill(true),
      );
      const share = (box.height * box.width) / (height * width);
      // Sides are whole pixels: at 64 × 64 the smallest box, 18 × 18, may be off by half of one each way.
      expect(share).toBeGreaterThan(0.08 * 0.94);
      expect(box.width / box.height).toBeGreaterThan(0.75 * 0.94);
      expect(box.width / box.height).toBeLessThan((4 / 3) * 1.06);
    }
    const areas = boxes.map((box) => (box.height * box.width) / (height * width)).sort((a, b) => a - b);
    expect(areas[0]).toBeLessThan(0.1);
    const tops = boxes.filter(({ top }) => top === 0).length;
    expect(tops).toBeGreaterThan(0);
    expect(tops).toBeLessThan(1200);
    // Area is uniform, as far as a box of any allowed proportions fits: up to 3/4 of a square image.
    const fitting = areas.filter((area) => area < 0.75);
    if (height === width) expect(fitting[fitting.length / 2 - 0.5 * (fitting.length % 2)]).toBeCloseTo(0.415, 1);
  });

  it('where no box fits takes the largest central one of allowed proportions', () => {
    const whole = new Float64Array(drawsPerCrop).fill(0.999);
    expect(randomResizedCrop(100, 1000, whole)).toEqual({ top: 0, left: 433, height: 100, width: 133 });
    expect(randomResizedCrop(1000, 100, whole)).toEqual({ top: 433, left: 0, height: 133, width: 100 });
  });

  it('a JPEG is reduced as long as the box keeps the pixels that are wanted', () => {
    const reduction = (height: number, width: number) => reductionFor({ top: 0, left: 0, height, width }, 224);
    expect([reduction(671, 900), reduction(672, 700), reduction(1120, 4000)]).toEqual([1, 3, 5]);
  });
});

describe('fitting to a size', () => {
  it('squashes to small sizes; cuts the centre of the resized image from 64 on', async () => {
    const sizes: number[][] = [];
    const record: typeof nearest = (pixels, ...shape) => {
      sizes.push(shape);
      return nearest(pixels, ...shape);
    };
    const image = { pixels: pattern(5, 300, 501), height: 300, width: 501 };
    expect(await fitImage(image, 32, record, '')).toEqual(await nearest(image.pixels, 300, 501, 32, 32));
    const cut = await fitImage(image, 224, record, '');
    // 256 × 427 (501 · 256 / 300 = 427.5); rows from 16, columns from 101.5, which goes to the even 102.
    expect(sizes).toEqual([
      [300, 501, 32, 32],
      [300, 501, 256, 427],
    ]);
    const whole = await nearest(image.pixels, 300, 501, 256, 427);
    const row = (index: number) => whole.slice(((16 + index) * 427 + 102) * 3, ((16 + index) * 427 + 102 + 224) * 3);
    expect(cut.slice(0, 672)).toEqual(row(0));
    expect(cut.slice(223 * 672)).toEqual(row(223));
    expect(cut.length).toBe(224 * 224 * 3);
  });

  it('leaves an image that has the size as it is', async () => {
    const never = () => Promise.reject(new Error('resized'));
    for (const size of [32, 224]) {
      const pixels = pattern(6, size, size);
      expect(await fitImage({ pixels, height: size, width: size }, size, never, '')).toBe(pixels);
    }
  });

  it('refuses a sliver before it grows', async () => {
    const sliver = { pixels: new Uint8Array(3 * 400_000), height: 1, width: 400_000 };
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(/^sliver\.png/) };
    expect(await failure(fitImage(sliver, 224, nearest, 'sliver.png'))).toMatchObject(refused);
  });
});
