/**
 * soak-child.ts SEED RUNS FOLDER: does RUNS runs one after another, then one run of 10 · RUNS steps; prints a
 * SoakReport.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../src/data/random.js';
import { L2TError, transfer } from '../../src/index.js';
import { tinyData, tinySource } from '../tiny.js';
import type { Sample } from './soak.js';

const [seed, count, folder] = process.argv.slice(2) as [string, string, string];
const random = new Random(Number(seed));
const data = tinyData(4);
const options = {
  source: await tinySource(),
  data,
  target: 'vgg9_bn' as const,
  width: 0.0625,
  pairs: '8-3',
  batch: 4,
  threads: 1,
  lr: 0.001,
  epochs: 2,
};

/** Measures after garbage collection. */
/** A thread's name; empty if it has ended. */
function nameOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8');
  } catch {
    return '';
  }
}

async function sample(): Promise<Sample> {
  for (let k = 0; k < 3; k++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const descriptors = readdirSync('/proc/self/fd').length;
  // libvips keeps a pool of its own, which grows and shrinks with the images of a report.
  const threads = readdirSync('/proc/self/task').filter((thread) => !/^(libvips|$)/.test(nameOf(thread))).length;
  return { rss, heap: heapUsed, buffers: arrayBuffers, descriptors, threads } as Sample;
}

const runs: Sample[] = [];
for (let k = 0; k < Number(count); k++) {
  const out = join(folder, `run-${k}`);
  const controller = new AbortController();
  const aborted = random.below(3) === 0;
  const run = transfer({ ...options, seed: k, out, signal: controller.signal });
  const step = random.below(6);
  let steps = 0;
  for await (const event of run) if (event.type === 'step' && steps++ === step && aborted) controller.abort();
  const error = await run.result.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  // An abort at the last step comes too late.
  if (error !== undefined && !(aborted && error instanceof L2TError && error.code === 'ABORTED')) throw error;
  rmSync(out, { recursive: true });
  runs.push(await sample());
}

const steps: Sample[] = [];
const perEpoch = 12 / options.batch;
const epochs = Math.ceil((10 * Number(count)) / perEpoch);
const every = Math.max(1, Math.floor(epochs / 40));
for await (const event of transfer({ ...options, epochs, saveEvery: 10, out: join(folder, 'long') })) {
  if (event.type === 'epoch' && event.epoch % every === 0) steps.push(await sample());
}
process.stdout.write(JSON.stringify({ runs, steps }));
