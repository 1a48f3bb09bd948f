import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { resume, transfer } from '../../../src/index.js';
import { temporaryFolder, tinyData, tinyOptions, tinySource } from '../../tiny.js';
import { eventFiles, shownScalars } from './events-reader.js';

/** A Python that has TensorBoard. Where it is given, as in CI, the test is not skipped. */
const given = process.env.TENSORBOARD_PYTHON;
const python = given ?? 'python3';
const missing = given === undefined && spawnSync(python, ['-c', 'import tensorboard']).status !== 0;
const program = fileURLToPath(new URL('read_with_tensorboard.py', import.meta.url));

it.skipIf(missing)(
  'TensorBoard itself reads a run that was interrupted as our reader does (skipped where Python has no tensorboard)',
  async () => {
    const out = `${temporaryFolder()}/run`;
    const options = { ...tinyOptions, batch: 3, epochs: 3, source: await tinySource(), data: tinyData(), out };
    const controller = new AbortController();
    const run = transfer({ ...options, log: ['tensorboard'], signal: controller.signal });
    for await (const event of run) if (event.type === 'step' && event.epoch === 1) controller.abort();
    await run.result.catch(() => {});
    const { accuracy, best } = await resume(out).result;
    const files = eventFiles(out);
    expect(files.length).toBe(2);

    const { stdout, stderr } = spawnSync(python, [program, out], { encoding: 'utf8' });
    expect(stdout, stderr).not.toBe('');
    const seen = JSON.parse(stdout);
    const points = [...shownScalars(out)].map(([tag, values]) => [tag, Object.fromEntries(values)]);
    expect(seen.scalars).toEqual(Object.fromEntries(points));
    expect(seen.scalars.testAccuracy).toEqual({ [best.epoch]: Math.fround(accuracy as number) });
    const maps = files.flat().flatMap(({ step, images }) => [...images].map((image) => [step, image[1]] as const));
    const sizes = maps.map(([step, { width, height }]) => [step, [width, height, width, height]]);
    expect(seen.images).toEqual({ 'lambda/0': Object.fromEntries(sizes) });
    expect(Object.keys(seen.images['lambda/0'])).toEqual(['0', '1', '2']);
  },
  60_000,
);
