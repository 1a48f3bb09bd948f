import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportNetwork } from '../../src/index.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Network } from '../../src/inference/network.js';
import { type Checkpoint, loadCheckpoint } from '../../src/networks/checkpoint.js';
import { tokenNet, writeModel } from '../networks/onnx/models.js';
import { cli, temporaryFolder, tinyData, tinySource, write } from '../tiny.js';

/** Ten test images each of left, middle and right, in turn. */
let data: string;
let checkpoint: Checkpoint;
const classNames = ['right', 'nowhere', 'left', 'middle'];
beforeAll(async () => {
  data = tinyData();
  checkpoint = { ...(await loadCheckpoint(await tinySource())), classNames };
});

/** The last layer says `bias`, whatever the image. */
function deaf(bias: readonly number[]): Checkpoint {
  const weights = checkpoint.weights.map((tensor) => {
    if (tensor.name === 'fc.weight') return { ...tensor, data: new Uint8Array(tensor.data.length) };
    return tensor.name === 'fc.bias' ? { ...tensor, data: new Uint8Array(Float32Array.from(bias).buffer) } : tensor;
  });
  return { ...checkpoint, weights };
}

describe('evaluate', () => {
  it('takes the largest logit; classes go by their names; the loss is the mean cross-entropy in nats', async () => {
    const result = await evaluate(deaf([0, 1, 3, 2]), { data, threads: 1 });
    expect(result).toMatchObject({ correct: 10, total: 30, accuracy: 1 / 3, network: 'resnet20' });
    expect(result.classes).toEqual([
      { name: 'right', correct: 0, total: 10, accuracy: 0 },
      { name: 'nowhere', correct: 0, total: 0, accuracy: null },
      { name: 'left', correct: 10, total: 10, accuracy: 1 },
      { name: 'middle', correct: 0, total: 10, accuracy: 0 },
    ]);
    expect(result.confusion).toEqual([0, 1, 2, 3].map((k) => [0, 0, k === 1 ? 0 : 10, 0]));
    const logSum = Math.log(1 + Math.E + Math.E ** 2 + Math.E ** 3);
    expect(result.loss).toBeCloseTo(logSum - (0 + 3 + 2) / 3, 10);
  });

  it('counts the images whose class is among the K likeliest; of equal ones the first come first', async () => {
    const top = async (bias: readonly number[], k?: number) =>
      (await evaluate(deaf(bias), { data, threads: 1, ...(k !== undefined && { top: k }) })).topK;
    expect(await top([0, 1, 3, 2], 2)).toEqual({ k: 2, correct: 20, accuracy: 2 / 3 });
    expect(await top([1, 1, 1, 1], 1)).toEqual({ k: 1, correct: 10, accuracy: 1 / 3 });
    expect(await top([1, 1, 1, 1], 3)).toEqual({ k: 3, correct: 20, accuracy: 2 / 3 });
    // Four classes are too few for the default, five.
    expect(await top([0, 1, 3, 2])).toBeNull();
  });

  it('counts what Network predicts, whatever the batches', async () => {
    const bytes = readFileSync(join(data, 't10k-images-idx3-ubyte')).subarray(16);
    const images = Array.from({ length: 30 }, (_, i) => ({
      pixels: Uint8Array.from({ length: 28 * 28 * 3 }, (_, at) => bytes[i * 28 * 28 + Math.floor(at / 3)] as number),
      height: 28,
      width: 28,
    }));
    const predictions = await Network.from(checkpoint, { threads: 1 }).predict(images);
    const confusion = classNames.map(() => [0, 0, 0, 0]);
    predictions.forEach(({ index }, i) => {
      const row = confusion[[2, 3, 0][i % 3] as number] as number[];
      row[index] = (row[index] as number) + 1;
    });
    const [whole, parts] = [await evaluate(checkpoint, { data }), await evaluate(checkpoint, { data, batch: 7 })];
    expect(whole.confusion).toEqual(confusion);
    expect(parts.confusion).toEqual(confusion);
    expect(parts.loss).toBeCloseTo(whole.loss, 4);
  });

  it('ends at the next batch when it is aborted', async () => {
    const controller = new AbortController();
    const progress: [number, number][] = [];
    const onProgress = (...at: [number, number]) => {
      progress.push(at);
      if (at[0] === 20) controller.abort('enough');
    };
    const evaluating = evaluate(checkpoint, { data, batch: 10, signal: controller.signal, onProgress });
    await expect(evaluating).rejects.toMatchObject({ name: 'L2TError', code: 'ABORTED', cause: 'enough' });
    expect(progress).toEqual([
      [10, 30],
      [20, 30],
    ]);
  });

  it('names the class, or the count of classes, that the checkpoint does not know, and an image that is damaged', async () => {
    const other = { ...checkpoint, classNames: ['left', 'right', 'a', 'b'] };
    const refused = (message: RegExp) => ({ code: 'INVALID_DATA', message: expect.stringMatching(message) });
    await expect(evaluate(other, { data })).rejects.toMatchObject(refused(/class 'middle', which the checkpoint does/));
    const nameless = { ...checkpoint, classNames: undefined };
    await expect(evaluate(nameless, { data })).rejects.toMatchObject(refused(/has 3 classes, but .* tells 4 apart/));
    const folder = temporaryFolder();
    write(join(folder, 'left'), '1.png', 'junk');
    await expect(evaluate(checkpoint, { data: folder })).rejects.toMatchObject(refused(/1\.png is not a PNG/));
  });

  it('refuses a split without images', async () => {
    const empty = tinyData();
    const words = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer).swap32();
    writeFileSync(join(empty, 't10k-images-idx3-ubyte'), words(0x803, 0, 28, 28));
    writeFileSync(join(empty, 't10k-labels-idx1-ubyte'), words(0x801, 0));
    await expect(evaluate(checkpoint, { data: empty })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringMatching(/has no images to evaluate on/),
    });
  });
});

/** A network with these classes as an ONNX file. */
async function exported(classes: readonly string[]) {
  const checkpoint = await tinySource({ width: 0.25 }, { names: classes });
  const out = join(temporaryFolder(), 'network.onnx');
  await exportNetwork(await loadCheckpoint(checkpoint), { to: 'onnx', out });
  return { checkpoint, out };
}

describe('an ONNX file that is evaluated', { timeout: 60_000 }, () => {
  it('gives what the network gives from which it was exported, its classes found by their names', async () => {
    const { checkpoint, out } = await exported(['right', 'left', 'middle']);
    const [ours, theirs] = [await evaluate(checkpoint, { data }), await evaluate(out, { data })];
    expect(theirs).toEqual({ ...ours, network: 'onnx', loss: expect.closeTo(ours.loss, 5) });
  });

  it('needs names of its classes, which a file can give', async () => {
    const file = writeModel(tokenNet());
    const refused = await cli(['eval', file, '--data', data]);
    const stderr = expect.stringMatching(/no names of its classes.*--class-names/);
    expect(refused).toMatchObject({ code: 2, stderr });
    const list = write(temporaryFolder(), 'names.txt', 'a\nleft\nb\nright\nmiddle\n');
    const { code, stdout } = await cli(['eval', file, '--data', data, '--class-names', list, '--json']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { total: 30, network: 'onnx' }]);
  });

  it('is refused where the data has a class that it does not know', async () => {
    const { out } = await exported(['right', 'left', 'other']);
    await expect(evaluate(out, { data })).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });
});
