import { fileURLToPath } from 'node:url';
import type { Context, Part } from './campaign.js';
import { end, how } from './process.js';

/** What soak-child.ts measures after each run, or at equal distances within one. */
export interface Sample {
  readonly rss: number;
  readonly heap: number;
  readonly buffers: number;
  readonly descriptors: number;
  readonly threads: number;
}

export interface SoakReport {
  /** After each run. */
  readonly runs: readonly Sample[];
  /** Within one long run. */
  readonly steps: readonly Sample[];
}

/** This fraction of the samples is warm-up: pools fill, code is compiled. */
const warmUp = 0.5;

/**
 * How much may be added between the warm-up and the end. A run of this size that stayed would add 0.2 MB of buffers,
 * and some 30 KB of heap for its objects.
 * - heap: compiled code and caches of V8 come and go.
 * - buffers: measured after gc(), so only what the last run's result holds may stay.
 * - rss: what the allocators keep for later; it fluctuates by some MB even if everything is freed.
 */
const bounds: Readonly<Record<keyof Sample, number>> = {
  rss: 24e6,
  heap: 2e6,
  buffers: 0.3e6,
  descriptors: 0,
  threads: 0,
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

function judge(context: Context, what: string, samples: readonly Sample[]): void {
  const warm = samples.slice(Math.floor(warmUp * samples.length));
  const quarter = Math.max(1, warm.length >> 2);
  for (const name of Object.keys(bounds) as (keyof Sample)[]) {
    const of = (some: readonly Sample[]) => median(some.map((sample) => sample[name]));
    const growth = of(warm.slice(-quarter)) - of(warm.slice(0, quarter));
    context.figure(`${what}: ${name} grew by`, growth);
    if (growth > bounds[name]) {
      context.find(
        `${what}: ${name} grew by ${growth}, from ${of(warm.slice(0, quarter))}, in ${samples.length} samples`,
      );
    }
  }
}

/** Many runs in one process, a third of them aborted, and one long run: nothing may grow. */
export const soak: Part = {
  name: 'soak',
  description: 'runs in one process, a third aborted; ten steps of a long run for each',
  perHour: 1000,
  run: async (context) => {
    // With fewer runs, all would be warm-up.
    const count = Math.max(40, context.tries);
    const child = fileURLToPath(new URL('soak-child.ts', import.meta.url));
    const seed = context.randomOf(0).below(2 ** 31);
    const command = [
      process.execPath,
      '--expose-gc',
      '--import',
      'tsx',
      child,
      String(seed),
      String(count),
      context.folder,
    ];
    const ended = await end(command, { patience: 60 + 4 * count });
    if (ended.code !== 0) return context.find(how(ended));
    const { runs, steps } = JSON.parse(ended.stdout) as SoakReport;
    context.tried('runs', runs.length);
    context.tried('steps', 10 * count);
    judge(context, 'runs', runs);
    judge(context, 'steps', steps);
  },
};
