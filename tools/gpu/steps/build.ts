import { isNativeCurrent, readBuildStamp } from '../../../setup/build.mjs';
import { command, failure } from '../command.js';
import type { Findings } from '../results.js';
import type { StepOptions } from '../step.js';

/** The addon and the tests' programs, from the present sources. */
export async function build({ device }: StepOptions): Promise<Findings> {
  const before = isNativeCurrent({ programs: true });
  const ended = await command([process.execPath, 'setup/bootstrap.mjs', '--quiet', '--programs']);
  if (ended.code !== 0) return { problems: [failure(ended)], summary: '' };
  const { libtorch, cuda } = readBuildStamp() ?? {};
  const problems = device !== 'cpu' && !cuda?.built ? [`the addon has no CUDA part: ${cuda?.reason}`] : [];
  const compiled = before ? 'was up to date' : 'compiled';
  const part = cuda?.built ? cuda.reason : 'no CUDA part';
  return {
    problems,
    summary: `${compiled}; LibTorch ${libtorch?.version} in ${libtorch?.path}; ${part}`,
    figures: cuda,
  };
}
