import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native/addon.js';
import { refusal } from '../outcomes.js';

/** 5 × 6 pixels. */
const image = Uint8Array.from({ length: 5 * 6 * 3 }, (_, i) => 37 * i * i + 11 * i);

describe('resize', () => {
  // Pillow 11.1: Image.frombytes('RGB', (6, 5), bytes).resize((w, h), Image.BILINEAR)
  it("gives Pillow's bytes, smaller", async () => {
    expect([...(await addon().resize(image, 5, 6, 2, 3))]).toEqual([
      ...[126, 162, 160, 110, 140, 175, 92, 127, 141],
      ...[124, 129, 137, 144, 131, 107, 91, 103, 121],
    ]);
  });

  it("gives Pillow's bytes, larger: the first and the last row", async () => {
    const larger = await addon().resize(image, 5, 6, 7, 8);
    expect(larger.length).toBe(7 * 8 * 3);
    expect([...larger.subarray(0, 24)]).toEqual([
      ...[0, 48, 170, 69, 96, 196, 113, 114, 190, 106, 114, 164],
      ...[36, 210, 234, 62, 242, 241, 68, 224, 197, 42, 176, 128],
    ]);
    expect([...larger.subarray(-24)]).toEqual([
      ...[88, 88, 162, 67, 46, 98, 99, 52, 80, 176, 104, 106],
      ...[190, 92, 68, 140, 176, 127, 134, 146, 167, 178, 8, 168],
    ]);
  });

  it('to the same size is the identity, and the input stays as it was', async () => {
    const before = image.slice();
    expect(await addon().resize(image, 5, 6, 5, 6)).toEqual(before);
    await addon().resize(image, 5, 6, 50, 60);
    expect(image).toEqual(before);
  });

  it('many at once', async () => {
    const one = await addon().resize(image, 5, 6, 3, 4);
    const all = await Promise.all(Array.from({ length: 200 }, () => addon().resize(image, 5, 6, 3, 4)));
    expect(all.every((other) => Buffer.from(other).equals(one))).toBe(true);
  });

  const floats = new Float32Array(90) as unknown as Uint8Array;
  it.each<[Parameters<ReturnType<typeof addon>['resize']>, RegExp]>([
    [[image, 6, 6, 3, 3], /height x width x 3/],
    [[floats, 5, 6, 3, 3], /Uint8Array/],
    [[undefined as unknown as Uint8Array, 5, 6, 3, 3], /Uint8Array/],
    [[image, 5, 6, 0, 3], /outHeight/],
    [[image, 5, 6, 3, -3], /outWidth/],
    [[image, 5, 6, Number.NaN, 3], /outHeight/],
    [[image, 5, 6, 1e9, 1e9], /outHeight/],
  ])('refuses wrong bytes or sides (%#)', (given, message) => {
    expect(() => addon().resize(...given)).toThrow(refusal('INVALID_OPTION', message));
  });
});

describe('measureMachine', () => {
  it.each([0, -1, 1.5, 1025, 2 ** 32 + 1, Number.NaN, '1', undefined, Symbol('1'), 1n])(
    'refuses %o threads',
    (threads) => {
      expect(() => addon().measureMachine(threads as number)).toThrow(refusal('INVALID_OPTION', ''));
    },
  );
});
