import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { L2TError } from '../../src/errors.js';
import { type ImageInput, imageSource } from '../../src/inference/image-input.js';
import { Network, type Prediction } from '../../src/inference/network.js';
import { addon } from '../../src/native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../../src/networks/checkpoint.js';
import { imagenetNormalisation } from '../../src/options/networks.js';
import { encode, pattern } from '../data/generate.js';
import { temporaryFolder, tinySource, write } from '../tiny.js';

let path: string;
let checkpoint: Checkpoint;
let network: Network;
beforeAll(async () => {
  path = await tinySource();
  checkpoint = await loadCheckpoint(path);
  network = Network.from(checkpoint, { device: 'cpu', threads: 1 });
});

/** Sides other than the network's, so that they are fitted. */
const raw = (seed: number) => ({ pixels: pattern(seed, 40, 50), height: 40, width: 50 });
const png = (seed: number) => encode(pattern(seed, 40, 50), 40, 50, 'png');
const raws = (count: number) => Array.from({ length: count }, (_, seed) => raw(seed));
const file = async (seed: number) => write(temporaryFolder(), `${seed}.png`, await png(seed));

describe('predict', () => {
  it('gives labels and probabilities, the same for a path, a Buffer, and raw pixels', async () => {
    const loaded = await Network.load(path, { device: 'cpu', threads: 1 });
    const [[fromFile], [fromBytes], [fromPixels]] = await Promise.all([
      loaded.predict([await file(3)]),
      loaded.predict([await png(3)]),
      loaded.predict([raw(3)]),
    ]);
    expect(fromBytes).toEqual(fromFile);
    expect(fromPixels).toEqual(fromFile);
    const { label, index, probability, best } = fromFile as Prediction;
    expect(best[0]).toEqual({ label, index, probability });
    expect(best.map((ranked) => checkpoint.classNames?.[ranked.index])).toEqual(best.map((ranked) => ranked.label));
    expect(best.map((ranked) => ranked.index).sort()).toEqual([0, 1, 2, 3]);
    const probabilities = best.map((ranked) => ranked.probability);
    expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a));
    expect(probabilities.reduce((sum, value) => sum + value)).toBeCloseTo(1, 12);
  });

  it('takes the checkpoint for what it says, fits images as it wants them, and calls nameless classes by index', async () => {
    const size = 64;
    const std = [0.5, 0.5, 0.5] as const;
    const other = { ...checkpoint, size, classNames: undefined, normalisation: { ...imagenetNormalisation, std } };
    const loaded = Network.from(other, { device: 'cpu', threads: 1 });
    expect([loaded.size, loaded.normalisation.std, loaded.classNames]).toEqual([64, std, ['0', '1', '2', '3']]);
    const image = { pixels: pattern(1, 73, 73), height: 73, width: 73 };
    const cut = Uint8Array.from({ length: 64 * 64 * 3 }, (_, at) => {
      const [row, column, channel] = [Math.floor(at / 192), Math.floor(at / 3) % 64, at % 3];
      return image.pixels[((row + 4) * 73 + column + 4) * 3 + channel] as number;
    });
    const fitted = await loaded.predict([image]);
    expect(fitted).toEqual(await loaded.predict([{ pixels: cut, height: 64, width: 64 }]));
    expect(fitted).not.toEqual(await network.predict([image]));
  });

  it('does not depend on batches, nor on calls side by side', async () => {
    const images = raws(13);
    const whole = await network.predict(images);
    const parts = await Promise.all([
      network.predict(images, { batch: 5 }),
      ...images.map((image) => network.predict([image])),
    ]);
    const probabilities = (predictions: readonly Prediction[]) =>
      predictions.map(({ best }) => best.map((b) => b.index));
    expect(probabilities(parts[0] as Prediction[])).toEqual(probabilities(whole));
    expect(probabilities(parts.slice(1).flat())).toEqual(probabilities(whole));
  });

  it('reads a copy: what its owner does to the bytes afterwards changes nothing', async () => {
    const [given, encoded] = [raw(3), new Uint8Array(await png(3))];
    const source = imageSource([given, encoded]);
    const reading = [source.read(0), source.read(1)];
    for (const { buffer } of [given.pixels, encoded]) structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
    for (const { pixels } of await Promise.all(reading)) expect(new Uint8Array(pixels)).toEqual(pattern(3, 40, 50));
    const late = network.predict([given]).catch((error: L2TError) => error.message);
    expect(await late).toMatch(/Image 0 is not one of/);
    await expect(source.read(0)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(source.read(1)).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });

  it('reads each property of an image once', async () => {
    const reads = { pixels: 0, height: 0, width: 0 };
    const changing = {
      // Later answers are two images' pixels: the outputs of the whole batch would move.
      get pixels() {
        return ++reads.pixels < 3 ? pattern(1) : new Uint8Array(2 * 32 * 32 * 3);
      },
      get height() {
        return ++reads.height < 3 ? 32 : 16;
      },
      get width() {
        return ++reads.width < 3 ? 32 : 128;
      },
    };
    const others = [2, 3].map((seed) => ({ pixels: pattern(seed), height: 32, width: 32 }));
    const given = [changing, ...others];
    const predicted = await network.predict(given);
    expect(reads).toEqual({ pixels: 1, height: 1, width: 1 });
    const fixed = await network.predict([{ pixels: pattern(1), height: 32, width: 32 }, ...others]);
    expect(predicted).toEqual(fixed);
  });

  it('reads each entry of the list once', async () => {
    let reads = 0;
    const list = new Proxy([raw(0), raw(1)], {
      get: (target, key) => (key === '0' && ++reads > 1 ? 'none.png' : Reflect.get(target, key)),
    });
    expect(await network.predict(list)).toEqual(await network.predict([raw(0), raw(1)]));
    expect(reads).toBe(1);
  });

  it('`top` says how many labels', async () => {
    const [two] = await network.predict([raw(1)], { top: 2 });
    const [five] = await network.predict([raw(1)]);
    expect(two?.best).toEqual(five?.best.slice(0, 2));
    expect(await network.predict([])).toEqual([]);
  });

  it('leaves the event loop free', async () => {
    // Nothing to decode or to fit: the event loop turns only while the network runs elsewhere.
    const images = Array.from({ length: 200 }, (_, seed) => ({ pixels: pattern(seed), height: 32, width: 32 }));
    let turns = 0;
    let done = false;
    const predicting = network.predict(images).finally(() => {
      done = true;
    });
    while (!done) {
      turns += 1;
      await new Promise(setImmediate);
    }
    await predicting;
    expect(turns).toBeGreaterThan(100);
  });

  it('ends at the next batch when it is aborted', async () => {
    const controller = new AbortController();
    const outcomes: unknown[] = [];
    const predicting = (async () => {
      for await (const outcome of network.predictEach(raws(20), { batch: 2, signal: controller.signal })) {
        outcomes.push(outcome);
        controller.abort('enough');
      }
    })();
    await expect(predicting).rejects.toMatchObject({ name: 'L2TError', code: 'ABORTED', cause: 'enough' });
    expect(outcomes.length).toBe(2);
  });

  it('an image that cannot be read: predict throws and names it, predictEach goes on', async () => {
    const images: ImageInput[] = [raw(0), 'none.png', await png(1), Buffer.from('junk'), raw(2)];
    await expect(network.predict(images)).rejects.toMatchObject({
      code: 'FILE_ACCESS',
      message: expect.stringMatching(/none\.png/),
    });
    const outcomes: (Prediction | L2TError)[] = [];
    for await (const outcome of network.predictEach(images, { batch: 2 })) outcomes.push(outcome);
    const readable = await network.predict(
      [0, 2, 4].map((i) => images[i] as ImageInput),
      { batch: 1 },
    );
    expect([outcomes[0], outcomes[2], outcomes[4]].map((o) => (o as Prediction).index)).toEqual(
      readable.map(({ index }) => index),
    );
    expect([outcomes[1], outcomes[3]].map((error) => (error as L2TError).code)).toEqual([
      'FILE_ACCESS',
      'INVALID_DATA',
    ]);
    expect((outcomes[3] as L2TError).message).toMatch(/^Image 3 is not a PNG/);
  });
});

describe('decode', () => {
  it.each([32, 64])('what it gives is predicted as the image itself is, at %i', async (size) => {
    const sized = Network.from({ ...checkpoint, size }, { device: 'cpu', threads: 1 });
    const jpeg = await encode(pattern(5, 90, 70), 90, 70, 'jpeg');
    const images = [await file(3), await png(4), jpeg, raw(6), { pixels: pattern(7, size), height: size, width: size }];
    const decoded = await Promise.all(images.map((image) => sized.decode(image)));
    expect(decoded.map(({ height, width, pixels }) => [height, width, pixels.length])).toEqual(
      images.map(() => [size, size, 3 * size * size]),
    );
    expect(await sized.predict(decoded)).toEqual(await sized.predict(images));
  });

  it('throws for an image that cannot be read', async () => {
    await expect(network.decode('none.png')).rejects.toMatchObject({ code: 'FILE_ACCESS' });
    await expect(network.decode(Buffer.from('junk'))).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(network.decode(7 as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});

describe('maxPixels', () => {
  it('refuses encoded images of more pixels, which are 40 × 50', async () => {
    const images = [await png(1), await file(1)];
    for (const image of images) {
      const refused = { code: 'INVALID_DATA', message: expect.stringMatching(/it has more than 1999 pixels/) };
      await expect(network.predict([image], { maxPixels: 1999 })).rejects.toMatchObject(refused);
      await expect(network.features([image], { maxPixels: 1999 })).rejects.toMatchObject(refused);
      await expect(network.decode(image, { maxPixels: 1999 })).rejects.toMatchObject(refused);
      for await (const outcome of network.predictEach([image], { maxPixels: 1999 }))
        expect(outcome).toMatchObject(refused);
    }
    expect(await network.predict(images, { maxPixels: 2000 })).toEqual(await network.predict(images));
  });

  it('refuses images so narrow that they would be fitted to more', async () => {
    const large = Network.from({ ...checkpoint, size: 64 }, { device: 'cpu', threads: 1 });
    const narrow = { pixels: pattern(1, 2, 40), height: 2, width: 40 };
    await expect(large.decode(narrow, { maxPixels: 100_000 })).rejects.toMatchObject({ code: 'INVALID_DATA' });
    await expect(large.decode(narrow)).resolves.toMatchObject({ height: 64, width: 64 });
  });

  it.each([0, 1.5, 2 ** 26 + 1, '5', null])('is a number of pixels, not %j', async (maxPixels) => {
    const wrong = { code: 'INVALID_OPTION', message: expect.stringMatching(/^Option maxPixels .* from 1 to 67108864/) };
    await expect(network.predict([], { maxPixels } as object)).rejects.toMatchObject(wrong);
    await expect(network.decode(raw(1), { maxPixels } as object)).rejects.toMatchObject(wrong);
  });
});

describe('features', () => {
  it('are those of the native network, whatever the batches', async () => {
    const images = Array.from({ length: 5 }, (_, seed) => ({ pixels: pattern(seed), height: 32, width: 32 }));
    const maps = await network.features(images, { batch: 2 });
    const native = new (addon().Network)({ ...checkpoint, device: 'cpu', threads: 1 });
    const tensors = await native.infer(Buffer.concat(images.map(({ pixels }) => pixels)), true);
    expect(maps.map(({ index, shape }) => [`feature/${index}`, shape])).toEqual(
      tensors.slice(1).map(({ name, shape }) => [name, shape]),
    );
    maps.forEach(({ values }, n) => {
      const expected = new Float32Array((tensors[n + 1] as { data: Uint8Array }).data.slice().buffer);
      expect(Math.max(...values.map((value, at) => Math.abs(value - (expected[at] as number))))).toBeLessThan(1e-3);
    });
    expect(maps[0]?.shape).toEqual([5, 16, 32, 32]);
  });

  it('throw for an image that cannot be read', async () => {
    await expect(network.features([raw(0), 'none.png'])).rejects.toMatchObject({ code: 'FILE_ACCESS' });
  });
});

describe('what is wrong', () => {
  const invalid = (message: RegExp) =>
    expect.objectContaining({ name: 'L2TError', code: 'INVALID_OPTION', message: expect.stringMatching(message) });

  it.each<[string, unknown, RegExp]>([
    ['no list', 'a.png', /given as a list/],
    ['a number', [raw(0), 7], /^Image 1 is not one of paths, Buffers/],
    ['too few pixels', [{ ...raw(0), height: 41 }], /^Image 0 is not/],
    ['no height', [{ pixels: new Uint8Array(), height: 0, width: 5 }], /^Image 0 is not/],
    ['no bytes', [{ pixels: new Float32Array(6000), height: 40, width: 50 }], /^Image 0 is not/],
  ])('images: %s', async (_, images, message) => {
    await expect(network.predict(images as ImageInput[])).rejects.toThrow(invalid(message));
    await expect(network.features(images as ImageInput[])).rejects.toThrow(invalid(message));
  });

  it('options', async () => {
    await expect(network.predict([], { batch: 0 })).rejects.toThrow(invalid(/batch is 0: it must be a whole number/));
    await expect(network.predict([], { tpo: 1 } as object)).rejects.toThrow(invalid(/tpo is unknown/));
    await expect(Network.load(path, { threads: 0 })).rejects.toThrow(invalid(/threads is 0/));
    expect(() => Network.from(checkpoint, { size: 4 })).toThrow(invalid(/size is 4/));
    await expect(Network.load(path, { device: 'cuda:99' })).rejects.toMatchObject({ code: 'DEVICE_UNAVAILABLE' });
    await expect(Network.load(join(temporaryFolder(), 'none'))).rejects.toMatchObject({ code: 'FILE_ACCESS' });
  });

  it('weights that give NaN', async () => {
    const weights = checkpoint.weights.map((tensor) =>
      tensor.name === 'fc.bias' ? { ...tensor, data: new Uint8Array(tensor.data.length).fill(255) } : tensor,
    );
    const damaged = Network.from({ ...checkpoint, weights }, { device: 'cpu' });
    await expect(damaged.predict([raw(0)])).rejects.toMatchObject({
      code: 'INVALID_WEIGHTS',
      message: expect.stringMatching(/NaN/),
    });
  });
});
