import { expect, it } from 'vitest';
import { Inference } from '../../src/inference/inference.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { tinySource } from '../tiny.js';

it('measures within its time, and ends where it is aborted', async () => {
  const inference = new Inference(await loadCheckpoint(await tinySource()), { threads: 1 });
  const begin = performance.now();
  const each = await inference.msPerImage(4);
  expect(4 * each).toBeLessThan(performance.now() - begin);
  expect(each).toBeGreaterThan(0);
  const work = inference.msPerImage(4, AbortSignal.abort());
  await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
});

it('refuses outputs of more images than were given', async () => {
  const inference = new Inference(await loadCheckpoint(await tinySource()), { threads: 1 });
  // Two images' pixels with the sides of one: the second image would get the rows of the first.
  const source = {
    count: 2,
    name: String,
    read: async () => ({ pixels: new Uint8Array(2 * 32 * 32 * 3), height: 32, width: 32 }),
  };
  const inferred = inference.batches(source, {}).next();
  await expect(inferred).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringMatching(/4 rows .* 2 images/),
  });
});
