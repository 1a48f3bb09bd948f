import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';
import { resultOf, Training } from '../training.js';

/** Training with graphs, again with graphs, and without, gives the same bits. */
export async function compareGraph({ device, small, folder }: StepOptions): Promise<Findings> {
  const training = new Training(folder, device, small);
  await training.makeSource();
  const epochs = small ? 1 : 3;
  const seconds: Record<string, number> = {};
  for (const [name, flags] of [
    ['graph', []],
    ['again', []],
    ['eager', ['--no-graph']],
  ] as const) {
    seconds[name] = resultOf(name, await training.run(name, epochs, flags)).seconds;
  }
  return {
    problems: [...(await training.differences('graph', 'again')), ...(await training.differences('graph', 'eager'))],
    summary: `weights, state and metrics of ${epochs} epochs, with a graph twice and without`,
    figures: { epochs, seconds },
  };
}
