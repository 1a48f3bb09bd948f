import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const build = process.env.L2T_NATIVE_BUILD ?? fileURLToPath(new URL('../../build', import.meta.url));
/** A program of test/native, built beside the addon. */
export const programPath = (name: string): string => join(build, 'test', `l2t_${name}`);

function command(name: string, words: string[]): [string, string[]] {
  return [programPath(name), words];
}

/** What it prints, one JSON document. */
export function measured(name: string, ...words: string[]): unknown {
  return JSON.parse(execFileSync(...command(name, words), { encoding: 'utf8' }));
}

export function outcome(name: string, ...words: string[]) {
  return spawnSync(...command(name, words), { encoding: 'utf8' });
}
