import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, loadCheckpoint, transfer } from '../../src/index.js';
import type { NamedTensor } from '../../src/native/addon.js';
import { saveCheckpoint } from '../../src/networks/checkpoint.js';
import { refusal } from '../outcomes.js';
import { newPath, temporaryFolder, tinyData, tinyOptions, tinySource, write } from '../tiny.js';

const { pairs: _, ...common } = { ...tinyOptions, method: 'kd', lr: 1e-3, epochs: 1 } as const;

let data: string;
/** A source of the data's classes, in their order. */
let source: string;
/** Has images of the classes a and b, of which none can be decoded. */
const damaged = temporaryFolder();
for (const name of ['a', 'b']) for (const k of [1, 2]) write(join(damaged, name), `${k}.png`, 'junk');
beforeAll(async () => {
  data = tinyData();
  source = await tinySource({}, { names: ['left', 'middle', 'right'] });
});

/** The distillation loss of each step. */
async function losses(options: object): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const event of transfer({ ...common, data, source, ...options, out: newPath() }))
    if (event.type === 'step') found.push(event.losses.kd as number);
  return found;
}

/** The same network with its outputs in another order: output k is what output order[k] was. */
async function reordered(order: readonly number[], names?: readonly string[]): Promise<string> {
  const checkpoint = await loadCheckpoint(source);
  const weights = checkpoint.weights.map((tensor): NamedTensor => {
    if (!tensor.name.startsWith('fc.')) return tensor;
    const row = tensor.data.length / order.length;
    return { ...tensor, data: Uint8Array.from(order.flatMap((k) => [...tensor.data.slice(k * row, (k + 1) * row)])) };
  });
  const path = join(temporaryFolder(), 'reordered.safetensors');
  const classNames = names ?? order.map((k) => checkpoint.classNames?.[k] as string);
  await saveCheckpoint(path, { ...checkpoint, weights, classNames });
  return path;
}

describe('kd', { timeout: 60_000 }, () => {
  it('matches the outputs of the source to the classes of the data by name', async () => {
    const order = [2, 0, 1];
    const straight = await losses({});
    for (const [k, loss] of (await losses({ source: await reordered(order) })).entries())
      expect(loss).toBeCloseTo(straight[k] as number, 5);
    const misnamed = await reordered(order, ['left', 'middle', 'right']);
    expect((await losses({ source: misnamed }))[0]).not.toBeCloseTo(straight[0] as number, 3);
  });

  it('with features of several sources it distils the first', async () => {
    const second = await tinySource();
    const first = (given: object) => losses({ method: 'kd+fm', batch: 36, ...given });
    expect(await first({ source: [source, second] })).toEqual(await first({ pairs: 'single' }));
  });

  it.each([
    [undefined, /has no names of classes: fine-tune it on this data first \(sourceFinetune\)/],
    [['a', 'c'], /has other classes than the data \(it lacks "b", and also has "c"\): fine-tune it/],
    [['c', 'b', 'a'], /\(it also has "c"\)/],
    [['a'], /\(it lacks "b"\)/],
    [['1', '2', '3', '4'], /\(it lacks "a", "b", and also has "1", "2", "3" and 1 more\)/],
  ] as const)('a source with the classes %j is refused before images are decoded', async (names, message) => {
    const other = await tinySource({}, names && { names });
    if (!names) await saveCheckpoint(other, { ...(await loadCheckpoint(other)), classNames: undefined });
    const { result } = transfer({ ...common, data: damaged, source: other, out: newPath() });
    await expect(result).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it('is refused by a comparison before its first run', async () => {
    const { method: _method, ...others } = common;
    const options = { ...others, data, source: await tinySource(), methods: 'scratch,kd+fm', out: newPath() };
    await expect(compare(options)).rejects.toThrow(
      refusal('INVALID_OPTION', 'it lacks "left", "middle", "right", and also has "class 0"'),
    );
  });
});
