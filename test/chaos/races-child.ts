/** races-child.ts SCENE SEED: plays one scene with many threads. It only starts them; the races are in the addon. */
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { L2TError } from '../../src/errors.js';
import { addon, type NativeEvent, type NativeRun } from '../../src/native/addon.js';
import { images, newRun, type RunJob, tinyJob } from '../native/tiny.js';
import { Draw } from './damage/draw.js';
import type { Scene } from './races.js';

const [, , scene, seed] = process.argv as [string, string, Scene, string];
const draw = new Draw(Number(seed));

/** Large enough that a run requests random crops, and has two batches decoded ahead. */
const size = 64;

function job(changes: Parameters<typeof tinyJob>[0] = {}): RunJob {
  const set = (count: number, streams: boolean) => {
    const { pixels, ...rest } = images(count, { size });
    return streams ? rest : { ...rest, pixels };
  };
  return tinyJob({
    method: 'scratch',
    sources: [],
    size,
    epochs: 2,
    batch: 3,
    saveEvery: draw.pick([0, 0.001, 1e6]),
    threads: 1,
    train: set(9, !draw.once(4)),
    validation: set(4, draw.once(2)),
    test: set(4, draw.once(2)),
    ...changes,
  });
}

/** Starts a run, and answers each event at once, later, or after a resize on a thread of libuv's pool. */
function start(
  given: RunJob,
  follow: (event: NativeEvent, run: NativeRun) => void = () => {},
): { run: NativeRun; result: Promise<unknown> } {
  const run = newRun(given, (event) => {
    follow(event, run);
    if (event.type === 'step') return;
    const reply = () => {
      if (event.type !== 'decode') run.saved();
      else run.answer(event.ticket, new Uint8Array(event.images.length * size * size * 3).fill(event.ticket));
    };
    const way = draw.below(3);
    if (way === 0) reply();
    else if (way === 1) setTimeout(reply, draw.below(4));
    else
      void addon()
        .resize(new Uint8Array(9 * 9 * 3), 9, 9, 5, 5)
        .then(reply);
  });
  return { run, result: draw.once(5) ? run.tryRates([0.1, 0.2, 0.3]) : run.start() };
}

/** Throws an error that a scene must not end with. */
const expected = (error: unknown): void => {
  if (!(error instanceof L2TError) || error.code === 'INTERNAL') throw error;
};

async function several(): Promise<void> {
  const runs = Array.from({ length: draw.between(2, 4) }, async () => {
    const stopsAt = draw.once(2) ? draw.between(1, 12) : 0;
    let events = 0;
    const { run, result } = start(job(), () => {
      if (++events === stopsAt) run.stop();
    });
    if (draw.once(4)) run.stop();
    await result;
  });
  await Promise.all(runs);
}

async function abort(): Promise<void> {
  const { run, result } = start(job({ epochs: 50 }));
  await pause(draw.below(60));
  run.stop();
  await result;
}

async function callbackThrows(): Promise<void> {
  let left = draw.between(1, 15);
  const { result } = start(job(), () => {
    if (--left === 0) throw new L2TError('INVALID_OPTION', 'by the callback');
  });
  await result.catch(expected);
}

/** Six calls of one network in parallel, beside a run. */
async function inference(): Promise<void> {
  const given = job();
  const weights = addon().initialise(given.target, 1);
  const { target: network, normalisation, device, threads } = given;
  const loaded = new (addon().Network)({ network, weights, size, normalisation, device, threads });
  const calls = Array.from({ length: 6 }, (_, k) =>
    loaded.infer(new Uint8Array((1 + (k % 3)) * size * size * 3), k % 2 === 0),
  );
  const { result } = start(given);
  await Promise.all([...calls, result]);
}

/** Workers are terminated while their runs go on. */
async function terminate(): Promise<void> {
  const workers = Array.from({ length: draw.between(1, 3) }, () => {
    return new Worker(new URL(import.meta.url), {
      argv: ['worker', String(draw.below(2 ** 31))],
      execArgv: ['--import', 'tsx'],
    });
  });
  const { result } = start(job());
  await Promise.all(
    workers.map(async (worker) => {
      await new Promise((resolve) => worker.once('message', resolve).once('error', resolve));
      await pause(draw.below(30));
      await worker.terminate();
    }),
  );
  await result;
}

/** In a worker: runs until it is terminated. */
async function worker(): Promise<void> {
  const { parentPort } = await import('node:worker_threads');
  const { result } = start(job({ epochs: 500 }), () => parentPort?.postMessage('begun'));
  await result;
}

/** The process exits while runs go on. */
async function exit(): Promise<void> {
  for (let runs = draw.between(1, 2); runs > 0; runs--) start(job({ epochs: 500 })).result.catch(() => {});
  await pause(draw.below(100));
  process.exit(0);
}

/** Runs that are not referenced any more are collected while others begin. */
async function collected(): Promise<void> {
  for (let k = 0; k < 3; k++) {
    void newRun(job(), () => {});
    const { result } = start(job({ epochs: 1 }));
    (globalThis as { gc?: () => void }).gc?.();
    await result;
  }
}

const scenes = { several, abort, callbackThrows, inference, terminate, exit, collected, worker };
await scenes[scene as keyof typeof scenes]();
