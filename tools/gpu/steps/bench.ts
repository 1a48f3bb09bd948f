import { type BenchResult, bench } from '../../../src/bench/bench.js';
import { type BenchCaseName, benchCases } from '../../../src/bench/cases.js';
import { defaultThreads } from '../../../src/system/threads.js';
import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';

/** How much faster than the autograd engine the native one shall be on a GPU, on the case of the paper's table. */
const target = { case: 'resnet32-vgg9', ratio: 6 } as const;

/** All cases, with the autograd engine as the peer. */
export async function benchmark({ device, small }: StepOptions): Promise<Findings> {
  const settings = { device, threads: defaultThreads(), convolution: 'auto', innerSteps: 2 } as const;
  const length = small ? { rounds: 1, batch: 8 } : { rounds: 20 };
  const results: BenchResult[] = [];
  for (const name of Object.keys(benchCases) as BenchCaseName[]) {
    process.stderr.write(`bench ${name}\n`);
    results.push(await bench(name, { engines: ['native', 'autograd'], ...settings, ...length }));
  }
  return {
    problems: results.flatMap((result) => problemsOf(result, small)),
    summary: results.map(({ case: name, ratio }) => `${name} ${ratio?.toFixed(2)}`).join(', '),
    figures: results,
  };
}

/** `small`: on a CPU, where one round says too little of speed. */
export function problemsOf({ case: name, ratio = Number.NaN }: BenchResult, small: boolean): string[] {
  if (!(Number.isFinite(ratio) && ratio > 0)) return [`${name} was not measured`];
  if (small || name !== target.case || ratio >= target.ratio) return [];
  return [`${name} is ${ratio.toFixed(2)} times as fast as autograd, not ${target.ratio}`];
}
