/** Functions that checks in levels share, among them one that runs tests of the addon that they built. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../setup/files.mjs';

/** A level throws it if it cannot be checked on this machine. */
export class Skipped extends Error {}

/** Runs levels until one does not pass. Prints each one's result in one line, and returns them. */
export function runLevels(levels: readonly (() => void)[]): string[] {
  const results: string[] = [];
  for (const level of levels) {
    try {
      level();
      results.push('passed');
    } catch (error) {
      results.push(`${error instanceof Skipped ? 'skipped' : 'failed'}: ${(error as Error).message}`);
      break;
    }
  }
  results.push(...levels.slice(results.length).map(() => 'not run'));
  console.log(results.map((result, i) => `level ${i + 1} ${result}`).join('; '));
  return results;
}

/** Runs test files, or folders of them, on the addon in `build`. @throws Error if one fails. */
export function runTests(tests: readonly string[], build: string, env: NodeJS.ProcessEnv): void {
  const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...tests], {
    cwd: packageRoot,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env, L2T_NATIVE_BUILD: join(packageRoot, build) },
  });
  if (status !== 0) throw new Error('tests failed (see above)');
}
