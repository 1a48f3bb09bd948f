import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluate, pretrain, transfer } from '../../src/index.js';
import { addon, type NamedTensor } from '../../src/native/addon.js';
import { loadCheckpoint } from '../../src/networks/checkpoint.js';
import { abortAt, eventsOf, failureOf, refusal, warningsOf } from '../outcomes.js';
import { newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

const index = new URL('../../dist/index.js', import.meta.url).href;

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});

const code = async (promise: Promise<unknown>) => (await failureOf(promise)).split(' ')[0];

describe('transfer', () => {
  it('gives events, then the result; the checkpoint alone is enough to evaluate', async () => {
    const run = transfer({ ...tinyOptions, source, data, out: newPath(), seed: 1 });
    const events = await eventsOf(run);
    const result = await run.result;
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === 'start' || type === 'epoch' || type === 'checkpoint')).toEqual([
      ...['start', 'epoch', 'checkpoint', 'epoch', 'checkpoint'],
    ]);
    expect(types.filter((type) => type === 'step').length).toBe(2 * 6);
    expect(events.find(({ type }) => type === 'start')).toMatchObject({
      pairs: [
        { source: 0, pair: [8, 3] },
        { source: 0, pair: [5, 1] },
      ],
      images: { train: 36, validation: 0, test: 30 },
      testDrawn: false,
      selectBest: false,
    });
    expect(result).toMatchObject({ method: 'l2t-ww', total: 30, network: { classNames: ['left', 'middle', 'right'] } });
    expect(result.best).toEqual({ epoch: 1, accuracy: null, selected: false });
    expect(result.checkpoint).toBe(join(result.run, 'best.safetensors'));
    const again = await evaluate(result.checkpoint, { data, threads: 1 });
    expect([again.correct, again.total]).toEqual([result.correct, result.total]);
    expect(again.confusion.flat().reduce((sum, images) => sum + images)).toBe(30);
    expect((await evaluate(result.network, { data, threads: 1 })).loss).toBe(again.loss);
  });

  it('gives equal bytes for an equal seed, and others for another', async () => {
    const train = async (seed: number) => {
      const { network } = await transfer({ ...tinyOptions, source, data, out: newPath(), epochs: 1, seed }).result;
      return Buffer.concat(network.weights.map((tensor) => tensor.data));
    };
    const first = await train(1);
    expect(first.equals(await train(1))).toBe(true);
    expect(first.equals(await train(2))).toBe(false);
  });

  const { pairs, ...withoutPairs } = tinyOptions;

  it('warns of a share that holds out no image, and of weights of other classes', async () => {
    const train = async (options: object) => {
      const run = transfer({ ...withoutPairs, ...options, data, out: newPath(), epochs: 1 });
      const warnings = warningsOf(await eventsOf(run));
      return { ...(await run.result), warnings };
    };
    const scratch = await train({ method: 'scratch' });
    expect(scratch).toMatchObject({ method: 'scratch', warnings: [] });
    const without = await train({ method: 'scratch', validation: 0.05 });
    expect(without.warnings).toEqual([expect.stringMatching(/validation: 0\.05 holds out no image/)]);
    const few = { method: 'finetune', targetInit: join(scratch.run, 'best.safetensors'), classes: 'left,right' };
    const finetuned = await train(few);
    expect(finetuned.network.network.classes).toBe(2);
    expect(finetuned.warnings).toEqual([expect.stringMatching(/3 classes and the data 2: the last layer starts anew/)]);
  });

  it('starts fm from weights of other classes, with a new last layer', async () => {
    const targetInit = await tinySource({ name: 'vgg9_bn', width: 0.125 });
    const still = { method: 'fm', source, lr: 1e-9, weightDecay: 0, epochs: 1 } as const;
    const { network } = await transfer({ ...tinyOptions, ...still, targetInit, data, out: newPath() }).result;
    const [start, seeded] = [(await loadCheckpoint(targetInit)).weights, addon().initialise(network.network, 0)];
    const values = (tensors: readonly NamedTensor[], name: string) =>
      new Float32Array(tensors.find((tensor) => tensor.name === name)?.data.slice().buffer as ArrayBuffer);
    const distance = (name: string, from: readonly NamedTensor[]) =>
      Math.max(...values(network.weights, name).map((value, i) => Math.abs(value - (values(from, name)[i] as number))));
    const [first, last] = ['features.0.weight', 'classifier.weight'];
    expect(distance(first, start)).toBeLessThan(1e-5);
    expect(distance(first, seeded)).toBeGreaterThan(0.1);
    expect(distance(last, seeded)).toBeLessThan(1e-5);
  });

  it('weighs the losses of at, lwf and kd: without weight they train as scratch does', async () => {
    const losses = async (given: object) => {
      const options = { ...withoutPairs, ...given, data, out: newPath(), epochs: 1 };
      const org: number[] = [];
      for await (const event of transfer(options)) if (event.type === 'step') org.push(event.losses.org);
      return org;
    };
    const scratch = await losses({ method: 'scratch' });
    expect(await losses({ method: 'at', source, pairs, attentionWeight: 0 })).toEqual(scratch);
    expect(await losses({ method: 'lwf', source, distillationWeight: 0 })).toEqual(scratch);
    const named = await tinySource({}, { names: ['left', 'middle', 'right'] });
    expect(await losses({ method: 'kd', source: named, kdWeight: 0 })).toEqual(scratch);
    expect(await losses({ method: 'kd', source: named })).not.toEqual(scratch);
    const [cold, warm] = [
      await losses({ method: 'lwf', source, temperature: 1 }),
      await losses({ method: 'lwf', source }),
    ];
    expect(cold).not.toEqual(warm);
    expect(await losses({ method: 'lwf', source, temperature: 2, distillationWeight: 1 })).toEqual(warm);
  });

  it.each([
    ['scratch', ['source'], /scratch has no use for source/],
    ['scratch', ['pairs', 'metaLr'], /scratch has no use for pairs, metaLr/],
    ['lwf', ['source', 'pairs'], /lwf has no use for pairs/],
    ['at', ['source', 'pairs', 'beta'], /at has no use for beta/],
    ['fm', ['source', 'pairs', 'innerSteps'], /fm has no use for innerSteps/],
    ['at', ['source', 'temperature'], /at has no use for temperature/],
    ['lwf', ['source', 'attentionWeight'], /lwf has no use for attentionWeight/],
    ['finetune', [], /^targetInit is missing/],
  ] as const)('%s with %j is refused by name', async (method, given, message) => {
    const values = { source, pairs, metaLr: 0.1, beta: 1, innerSteps: 3, temperature: 3, attentionWeight: 1 };
    const options = Object.fromEntries(given.map((key) => [key, values[key]]));
    const { result } = transfer({ ...withoutPairs, ...options, method, data, out: newPath() });
    await expect(result).rejects.toThrow(refusal('INVALID_OPTION', message));
  });

  it('rejects, and throws where it is iterated, without an unhandled rejection', async () => {
    const options = { ...tinyOptions, source, data: join(data, 'nowhere'), out: newPath() };
    expect(await code(transfer(options).result)).toBe('INVALID_DATA');
    expect(await code(eventsOf(transfer(options)))).toBe('INVALID_DATA');
    expect(existsSync(options.out)).toBe(false);
  });

  it('ends when aborted, with everything saved', async () => {
    const folder = newPath();
    await abortAt(
      (signal) => transfer({ ...tinyOptions, epochs: 50, source, data, out: folder, signal }),
      ({ type }) => type === 'step',
    );
    expect(existsSync(join(folder, 'state.safetensors'))).toBe(true);
    expect(existsSync(join(folder, 'lock.holder'))).toBe(false);
  });

  it('refuses no options, one class, and a folder that is not empty', async () => {
    // @ts-expect-error: a target and data are required.
    expect(await code(transfer({}).result)).toBe('INVALID_OPTION');
    const one = transfer({ ...withoutPairs, method: 'scratch', classes: 'left', data, out: newPath() }).result;
    await expect(one).rejects.toThrow(refusal('INVALID_DATA', /one class, 'left'/));
    expect(await code(transfer({ ...tinyOptions, source, data, out: data }).result)).toBe('INVALID_RUN');
  });

  it('leaves the event loop free, also with two runs side by side', async () => {
    const delays: number[] = [];
    let last = performance.now();
    const timer = setInterval(() => {
      delays.push(performance.now() - last);
      last = performance.now();
    }, 10);
    const start = performance.now();
    const runs = [1, 2].map((seed) => transfer({ ...tinyOptions, source, data, out: newPath(), seed }));
    const results = await Promise.all(runs.map((run) => run.result));
    const took = performance.now() - start;
    clearInterval(timer);
    expect(new Set(results.map(({ run }) => run)).size).toBe(2);
    expect(delays.length).toBeGreaterThan(10);
    // A run that computed on this thread would block it for an epoch at a time. The machine may be slow.
    expect(delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)]).toBeLessThan(took / 10);
  });

  it('runs in a worker thread, which ends by itself', async () => {
    const options = { ...tinyOptions, source, data, out: newPath(), epochs: 1 };
    const code = `const { parentPort, workerData } = require('node:worker_threads');
      import(${JSON.stringify(index)})
        .then(({ transfer }) => transfer(workerData).result)
        .then(({ total }) => parentPort.postMessage(total));`;
    const worker = new Worker(code, { eval: true, workerData: options });
    const exit = new Promise((resolve) => worker.on('exit', resolve));
    const total = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    expect([total, await exit]).toEqual([30, 0]);
  });

  it('lets the process exit by itself', async () => {
    const options = JSON.stringify({ ...tinyOptions, source, data, out: newPath(), epochs: 1 });
    const script = `import { transfer } from ${JSON.stringify(index)};
      const { total } = await transfer(${options}).result; console.log(total);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 50_000,
    });
    expect(stdout).toBe('30\n');
  });
});

describe('pretrain', () => {
  it('makes a checkpoint that serves as a source and needs no more said', async () => {
    const { width: _, target: __, pairs: ___, ...options } = tinyOptions;
    const pretrained = await pretrain({ ...options, network: 'vgg9_bn', width: 0.125, data, out: newPath(), epochs: 1 })
      .result;
    const checkpoint = join(pretrained.run, 'best.safetensors');
    const run = transfer({ ...tinyOptions, source: checkpoint, pairs: 'single', data, out: newPath(), epochs: 1 });
    expect((await run.result).total).toBe(30);
  });
});
