import sharp from 'sharp';
import { expect, it } from 'vitest';
import { decodeBytes } from '../../src/data/decode.js';
import { encode, failure, pattern } from './generate.js';

it('a GIF: its first picture', async () => {
  // Few colours: a GIF holds 256, and the encoder picks them.
  const picture = (seed: number) => pattern(seed, 4, 8).map((value) => (value < 128 ? 0 : 255));
  const two = Buffer.concat([picture(1), picture(2)]);
  const gif = await sharp(two, { raw: { height: 8, width: 8, channels: 3, pageHeight: 4 } })
    .gif()
    .toBuffer();
  expect((await sharp(gif).metadata()).pages).toBe(2);
  const { pixels, height, width } = await decodeBytes(gif, 'a.gif');
  expect([height, width]).toEqual([4, 8]);
  expect(Uint8Array.from(pixels)).toEqual(picture(1));
});

it('bytes that cannot be decoded are called by their name', async () => {
  const png = await encode(pattern(1), 32, 32, 'png');
  const wrong: [bytes: Uint8Array, message: RegExp][] = [
    [png.subarray(0, 200), /^Image 7 cannot be decoded/],
    [Buffer.from('GIF89a'), /^Image 7 cannot be decoded/],
    [new Uint8Array(), /^Image 7 is not a PNG, JPEG, WebP or GIF image/],
  ];
  for (const [bytes, message] of wrong) {
    expect(await failure(decodeBytes(bytes, 'Image 7'))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(message),
    });
  }
});
