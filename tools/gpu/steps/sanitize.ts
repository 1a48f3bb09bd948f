import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { command, script } from '../command.js';
import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';
import { fixtures } from './parity.js';

/** Exit status of compute-sanitizer where it found something. */
const found = 86;

/** compute-sanitizer over the iterations of the fixtures, which run every own kernel. Skipped where it is not there. */
export async function sanitize({ device }: StepOptions): Promise<Findings> {
  const tool = device === 'cpu' ? undefined : findTool();
  if (tool === undefined) {
    const reason = device === 'cpu' ? 'it checks kernels of a GPU' : 'there is none on the PATH or in /usr/local/cuda';
    return { problems: [], summary: `skipped compute-sanitizer: ${reason}` };
  }
  const parity = script('tools/parity/main.ts', fixtures, '--dtype', 'float32', '--device', device);
  // Else memcheck sees LibTorch's large segments, and not the tensors in them.
  const alone = ['env', 'PYTORCH_NO_CUDA_MEMORY_CACHING=1'] as const;
  const ended = await command([...alone, tool, '--tool', 'memcheck', '--error-exitcode', String(found), ...parity]);
  const report = ended.stdout.split('\n').filter((line) => line.startsWith('========='));
  const problems =
    ended.code === 0 ? [] : [`compute-sanitizer ended with ${ended.code}: ${report.slice(0, 5).join(' ')}`];
  return { problems, summary: report.at(-1) ?? 'no report', figures: report.slice(0, 200) };
}

function findTool(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/cuda/bin'];
  return folders.map((folder) => join(folder, 'compute-sanitizer')).find(existsSync);
}
