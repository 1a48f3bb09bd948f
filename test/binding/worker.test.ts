import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';

// Native threads against the ends of JavaScript: in processes and workers of their own, which the built package serves.
const addonUrl = new URL('../../dist/native/addon.js', import.meta.url).href;

/** Begins a job that takes minutes; `begun` is called from its first step. */
const longRun = `
  const { addon } = await import(${JSON.stringify(addonUrl)});
  const count = 64;
  const images = {
    pixels: new Uint8Array(count * 32 * 32 * 3).map((_, i) => (i * i) >> 3),
    labels: new Int32Array(count).map((_, i) => i % 4),
    size: 32,
  };
  const normalisation = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
  const network = { name: 'vgg9_bn', classes: 4, width: 0.0625 };
  const common = { size: 32, normalisation, batch: 8, device: 'cpu', threads: 1 };
  const job = {
    ...common, target: network, train: images, sources: [], resizedCrops: false, evaluationBatch: 256, selectBest: false, seed: 0, saveEvery: 1e6, epochs: 100_000,
    method: 'scratch', engine: 'native', convolution: 'auto', lr: 0.01,
    precision: "float32", deterministic: true, graph: true, batchNorm: "global", augment: "crop-flip", evalEvery: 1, minLr: 0,
    momentum: 0.9, weightDecay: 0, labelSmoothing: 0,
  };
  const start = (begun, changes = {}) => {
    const run = new (addon().Run)({ ...job, ...changes }, { ...job, ...changes }, (event) => {
      if (event.type === 'step') begun();
      else run.saved();
    });
    return run.start();
  };`;

const node = (program: string) =>
  spawnSync(process.execPath, ['--input-type=module', '--eval', longRun + program], {
    encoding: 'utf8',
    timeout: 30_000,
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  });

describe('the process', () => {
  // The exit comes at a random moment of a step, so it is tried several times.
  it.each(['native', 'autograd'])('ends at once by process.exit in a run (%s)', { repeats: 4 }, (engine) => {
    const { status, signal, stderr } = node(`start(() => process.exit(7), { engine: '${engine}' })`);
    expect({ status, signal, stderr }).toEqual({ status: 7, signal: null, stderr: '' });
  });

  // A signal that is handled on such a thread can write into the heap (block_signals in native/core/threads.h).
  it('handles no signal on the threads that compute', () => {
    const { stdout, stderr } = node(`
      const { readdirSync, readFileSync } = await import('node:fs');
      const tasks = () => readdirSync('/proc/self/task');
      const blocked = (task) => BigInt('0x' + /SigBlk:\\s*(\\w+)/.exec(readFileSync('/proc/self/task/' + task + '/status', 'utf8'))[1]);
      const before = tasks();
      const run = new (addon().Run)({ ...job, threads: 3, epochs: 1 }, job, (event) => {
        if (event.type !== 'step') return run.saved();
        if (event.step > 1) return;
        const computing = tasks().filter((task) => !before.includes(task));
        const bit = (signal) => 1n << BigInt(signal - 1);
        console.log(computing.length >= 3, computing.every((task) => (blocked(task) & bit(15)) && (blocked(task) & bit(24))));
      });
      await run.start();`);
    expect({ stdout, stderr }).toEqual({ stdout: 'true true\n', stderr: '' });
  });

  it('ends while a run waits for its epoch to be saved', () => {
    const { status, signal } = node(`
      const run = new (addon().Run)(job, job, (event) => event.type === 'epoch' && process.exit(8));
      run.start();`);
    expect({ status, signal }).toEqual({ status: 8, signal: null });
  });
});

describe('a worker thread', () => {
  const inWorker = async (program: string) => {
    const source = `const { parentPort } = require('node:worker_threads'); (async () => {${longRun}${program}})();`;
    const worker = new Worker(source, { eval: true });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    return worker;
  };

  it.each([
    ['a run', `start(() => parentPort.postMessage('begun')).catch(() => {})`],
    [
      'an inference',
      `const whole = { ...network, width: 0.5 };
       const loaded = new (addon().Network)({ ...common, network: whole, weights: addon().initialise(whole, 0) });
       loaded.infer(new Uint8Array(512 * 32 * 32 * 3), false).catch(() => {});
       parentPort.postMessage('begun');`,
    ],
  ])('ended in the middle of %s ends with its step or batch', async (_, program) => {
    const worker = await inWorker(program);
    const before = performance.now();
    await worker.terminate();
    expect(performance.now() - before).toBeLessThan(30_000);
  });

  // Results that come in just then can be given to nobody: when that is, is chance.
  it('ended while results come in does not end the process', () => {
    const source = `
      import { parentPort } from 'node:worker_threads';
      const { addon } = await import(${JSON.stringify(addonUrl)});
      const pixels = new Uint8Array(64 * 64 * 3);
      const again = () => addon().resize(pixels, 64, 64, 32, 32).then(again);
      for (let lane = 0; lane < 16; lane++) again();
      parentPort.postMessage('begun');`;
    const { status, signal, stderr } = node(`
      const { Worker } = await import('node:worker_threads');
      for (let k = 0; k < 10; k++) {
        const worker = new Worker(${JSON.stringify(source)}, { eval: true });
        await new Promise((resolve) => worker.once('message', resolve));
        await new Promise((resolve) => setTimeout(resolve, 3 * k));
        await worker.terminate();
      }`);
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  });
});
