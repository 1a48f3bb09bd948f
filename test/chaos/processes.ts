import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../../src/errors.js';
import { main, type Outcome, run, type Start } from '../tiny.js';

/** A process that hangs is ended with another signal than those that are killed on purpose. */
const unlessItHangs = { timeout: 120_000, killSignal: 'SIGABRT' } as const;

export const cli = (args: readonly string[], start?: Start) =>
  run([process.execPath, main, ...args], { ...unlessItHangs, ...start });

/** Runs child.ts. `module` has the part or the scenes; `work` is a range of tries, or a scene and its seed. */
export function inOwnProcess(module: string, folder: string, shared: unknown, work: unknown, start?: Start) {
  const script = fileURLToPath(new URL('child.ts', import.meta.url));
  const args = [module, folder, JSON.stringify(shared ?? null), JSON.stringify(work)];
  return run([process.execPath, '--expose-gc', '--import', 'tsx', script, ...args], { ...unlessItHangs, ...start });
}

export const how = ({ code, signal, stderr, stdout }: Outcome): string =>
  `${signal ? `it died of ${signal}` : `it ended with ${code}`}: ${(stderr + stdout).slice(-1500)}`;

/** Did it end by itself, with success or one of our errors? A stack or INTERNAL is neither. */
export function isOrderly({ code, signal, stderr }: Outcome): boolean {
  if (signal !== null || code === null) return false;
  if (/^\s+at .*:\d+:\d+\)?$/m.test(stderr) || /error\[INTERNAL\]/.test(stderr)) return false;
  return code === 0 || /^(error\[[A-Z_]+\]|error): /m.test(stderr);
}

const documented = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').split('\n');
/** Checks for a documented code other than INTERNAL, which is our own mistake. */
export const isKnownCode = (code: unknown): boolean => code !== 'INTERNAL' && documented.includes(`## ${code}`);

/** Returns what is wrong with a thrown error; undefined if its code is documented, and a small file may cause it. */
export function wrongError(error: unknown): string | undefined {
  if (error instanceof L2TError && isKnownCode(error.code) && !error.code.startsWith('OUT_OF_')) return undefined;
  const { code, stack, cause } = Object(error) as { code?: string; stack?: string; cause?: { stack?: string } };
  return `${code ?? 'no code'}: ${stack ?? error}\n${cause?.stack ?? ''}`;
}
