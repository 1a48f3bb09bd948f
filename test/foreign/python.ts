import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Debian's Python: its packages are not those of another Python on the PATH. */
const python = '/usr/bin/python3';

const finds = 'import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))';

/** Does it have these modules? */
export const pythonHas = (...modules: readonly string[]): boolean =>
  spawnSync(python, ['-c', finds, ...modules]).status === 0;

/** Runs a program with arguments, and returns what it prints as JSON. */
export async function runPython(program: string, args: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(python, ['-c', program, ...args], { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}
