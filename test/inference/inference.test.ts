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
