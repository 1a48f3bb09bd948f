/** main.ts runs this in a process of its own: `step.ts NAME OPTIONS OUT` runs one step and writes its results to OUT. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Findings, Results, StepName } from './results.js';

export interface StepOptions {
  /** auto, cpu, cuda or cuda:N. After the step `build`: cpu or cuda:N. */
  readonly device: string;
  /** On a CPU: everything in small. */
  readonly small: boolean;
  /** An empty folder, which is deleted afterwards. */
  readonly folder: string;
}

type Step = (options: StepOptions) => Promise<Findings>;

/** Loaded when they run, since most of them load the addon. */
const steps: Readonly<Record<StepName, () => Promise<Step>>> = {
  build: async () => (await import('./steps/build.js')).build,
  parity: async () => (await import('./steps/parity.js')).checkParity,
  graph: async () => (await import('./steps/graph.js')).compareGraph,
  bench: async () => (await import('./steps/bench.js')).benchmark,
  train: async () => (await import('./steps/train.js')).train,
  sanitize: async () => (await import('./steps/sanitize.js')).sanitize,
};

async function results(name: StepName, asked: string, folder: string): Promise<Results> {
  const start = performance.now();
  const timed = (findings: Findings) => {
    const seconds = (performance.now() - start) / 1000;
    return { [name]: { ...findings, seconds, ended: new Date().toISOString() } };
  };
  try {
    const step = await steps[name]();
    const early = name === 'build' ? await step({ device: asked, small: false, folder }) : undefined;
    if (early && early.problems.length > 0) return { steps: timed(early) };
    const { describeMachine } = await import('./machine.js');
    const machine = describeMachine(asked);
    const { device } = machine;
    return { machine, steps: timed(early ?? (await step({ device, small: device === 'cpu', folder }))) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { steps: timed({ problems: [problem], summary: '' }) };
  }
}

const [name, device, out] = process.argv.slice(2) as [StepName, string, string];
const folder = mkdtempSync(join(tmpdir(), 'l2t-gpu-'));
try {
  writeFileSync(out, JSON.stringify(await results(name, device, folder)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
