import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { L2TError, transfer } from '../../src/index.js';
import { median } from '../../src/system/statistics.js';
import { tinyData, tinyOptions, tinySource } from '../tiny.js';
import type { Part } from './campaign.js';
import type { Scenes } from './child.js';
import { how, inOwnProcess } from './processes.js';

/**
 * How much may be added after the warm-up. A run that stayed would add 0.2 MB of buffers and 30 KB of heap. Allocators
 * keep some MB of the resident set even if all is freed, and compiled code comes and goes in the heap.
 */
const bounds = { rss: 24e6, heap: 2e6, buffers: 0.3e6, descriptors: 0, threads: 0 };
type Sample = typeof bounds;

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
    await new Promise(setImmediate);
  }
  const { rss, heapUsed: heap, arrayBuffers: buffers } = process.memoryUsage();
  // libvips keeps a pool of its own, which grows and shrinks with the images of a report.
  const threads = readdirSync('/proc/self/task').filter((thread) => !/^(libvips|$)/.test(nameOf(thread))).length;
  return { rss, heap, buffers, descriptors: readdirSync('/proc/self/fd').length, threads };
}

export const scenes: Scenes<{ readonly count: number }> = {
  /** Prints samples after each of many runs, a third of them aborted, and within a run of ten times as many steps. */
  soak: async (draw, folder, { count }) => {
    const data = { data: tinyData(4), source: await tinySource() };
    const options = { ...tinyOptions, ...data, width: 0.0625, pairs: '8-3', batch: 4, lr: 0.001 };
    const runs: Sample[] = [];
    for (let k = 0; k < count; k++) {
      const out = join(folder, `run-${k}`);
      const controller = new AbortController();
      const [aborted, last] = [draw.once(3), draw.below(6)];
      const run = transfer({ ...options, epochs: 2, seed: k, out, signal: controller.signal });
      let steps = 0;
      for await (const { type } of run) if (type === 'step' && steps++ === last && aborted) controller.abort();
      // An abort at the last step comes too late.
      await run.result.catch((error) => {
        if (!(aborted && error instanceof L2TError && error.code === 'ABORTED')) throw error;
      });
      rmSync(out, { recursive: true });
      runs.push(await sample());
    }
    const steps: Sample[] = [];
    const epochs = Math.ceil((10 * count) / (12 / options.batch));
    const every = Math.max(1, Math.floor(epochs / 40));
    for await (const event of transfer({ ...options, epochs, saveEvery: 10, out: join(folder, 'long') }))
      if (event.type === 'epoch' && event.epoch % every === 0) steps.push(await sample());
    process.stdout.write(JSON.stringify({ runs, steps }));
  },
};

/** Many runs in one process, a third of them aborted, and ten steps of one long run for each: nothing may grow. */
export const soak: Part = {
  ...{ name: 'soak', module: import.meta.url, perHour: 1000, once: true },
  open: (_, folder, tries) => async (attempt) => {
    // With fewer runs, all would be warm-up: pools fill, code is compiled.
    const count = Math.max(40, tries);
    attempt.doing('soak');
    const work = { scene: 'soak', seed: attempt.draw.below(2 ** 31) };
    const ended = await inOwnProcess(import.meta.url, folder, { count }, work, { timeout: 60_000 + 4000 * count });
    if (ended.code !== 0) return attempt.find(how(ended));
    const samples: Readonly<Record<'runs' | 'steps', readonly Sample[]>> = JSON.parse(ended.stdout);
    attempt.tried('runs', samples.runs.length);
    attempt.tried('steps', 10 * count);
    for (const [what, all] of Object.entries(samples))
      for (const [name, bound] of Object.entries(bounds) as [keyof Sample, number][]) {
        // The first half is warm-up. Its quarters are compared by their medians.
        const warm = all.slice(all.length >> 1).map((each) => each[name]);
        const quarter = Math.max(1, warm.length >> 2);
        const [from, to] = [warm.slice(0, quarter), warm.slice(-quarter)].map(median) as [number, number];
        attempt.figure(`${what}: ${name} grew by`, to - from);
        if (to - from > bound) attempt.find(`${what}: ${name} grew from ${from} to ${to} in ${all.length} samples`);
      }
  },
};
