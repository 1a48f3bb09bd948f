import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';
import { readSystem } from '../system/limits.js';

/**
 * Runs a script of this folder in a process of its own, until `signal` fires, and reads the JSON that it prints.
 * @throws L2TError INTERNAL if the process fails.
 */
export async function inOwnProcess<T>(name: string, words: readonly string[], signal?: AbortSignal): Promise<T> {
  // The compiled file, or the source under a TypeScript loader, whose flags the child takes over.
  const script = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, script, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) throw new L2TError('INTERNAL', 'A process of the measurement failed; its message is above.');
  return JSON.parse(output) as T;
}

/** The most memory that this process has had (VmHWM), in bytes. */
export const peakOfProcess = (): number =>
  1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readSystem('/proc/self/status'))?.[1]);
