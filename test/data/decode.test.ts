import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
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
    [new Uint8Array(), /^Image 7 is not a PNG, JPEG, WebP, GIF or AVIF image/],
  ];
  for (const [bytes, message] of wrong) {
    expect(await failure(decodeBytes(bytes, 'Image 7'))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(message),
    });
  }
});

describe('an AVIF', () => {
  const [height, width] = [30, 40];
  const picture = sharp(pattern(1, height, width), { raw: { height, width, channels: 3 } });
  const avif = (orientation?: number) =>
    (orientation ? picture.clone().withMetadata({ orientation }) : picture.clone()).avif({ lossless: true }).toBuffer();
  /** The pixels turned as an orientation says. */
  const turned = async (pixels: Uint8Array, orientation: number) => {
    const raw = { height, width, channels: 3 } as const;
    const tiff = await sharp(pixels, { raw }).withMetadata({ orientation }).tiff({ compression: 'none' }).toBuffer();
    const { data, info } = await sharp(tiff, { autoOrient: true }).raw().toBuffer({ resolveWithObject: true });
    return { pixels: Uint8Array.from(data), height: info.height, width: info.width };
  };

  it('is turned by its own properties, irot and imir, and not again by its EXIF orientation', async () => {
    const upright = await decodeBytes(await avif(), 'image');
    for (let orientation = 2; orientation <= 8; orientation++) {
      const file = await avif(orientation);
      // sharp writes both.
      expect([/irot|imir/.test(file.toString('latin1')), file.includes('Exif')]).toEqual([true, true]);
      const { pixels, ...sides } = await decodeBytes(file, 'image');
      const expected = await turned(upright.pixels, orientation);
      expect({ orientation, ...sides, pixels: Uint8Array.from(pixels) }).toEqual({ orientation, ...expected });
    }
    const file = await avif(6);
    file[file.indexOf('irot') + 4] = 0;
    expect(await decodeBytes(file, 'image')).toMatchObject({ height, width });
  });

  it('is refused beyond 32 megapixels, since it takes twice the memory of other formats, and if its sides lie', async () => {
    const claiming = async (...sides: [number, number]) => {
      const file = await avif();
      for (const [k, side] of sides.entries()) file.writeUInt32BE(side, file.indexOf('ispe') + 8 + 4 * k);
      return (await failure(decodeBytes(file, 'image')))?.message;
    };
    expect(await claiming(5794, 5792)).toMatch(/more than 33554432 pixels/);
    expect(await claiming(20, 20)).toMatch(/image cannot be decoded: heif: /);
  });

  it('of other brands is known by its content; a HEIC is not read, and the message says how to convert it', async () => {
    const file = await avif();
    file.write('mif1', 8, 'latin1');
    expect(await decodeBytes(file, 'image')).toMatchObject({ height, width });
    const heic = Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1');
    expect(await failure(decodeBytes(heic, 'a.heic'))).toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/^a\.heic is a HEIC image\. .*heif-convert .*magick /),
    });
  });
});
