import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, type Outcome, run, temporaryFolder, write } from '../tiny.js';

const bin = temporaryFolder();
chmodSync(write(bin, 'l2t-native', `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`), 0o755);

/** The environment of a scheduler's process: it finds the command `l2t-native`. */
export const schedulerEnv = { PATH: `${bin}:${process.env.PATH}`, OMP_NUM_THREADS: '1' };

export const linesOf = (folder: string) => readFileSync(join(folder, 'runs.txt'), 'utf8').trimEnd().split('\n');

/** Runs a line of runs.txt as a scheduler does. */
export const runLine = (line: string, cwd: string): Promise<Outcome> =>
  run(['sh', '-c', line], { cwd, env: schedulerEnv });
