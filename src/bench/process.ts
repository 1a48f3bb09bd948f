import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';
import type { Measurements } from './alone.js';

/**
 * Measures in a process of its own (alone.ts), until `signal` fires.
 * @throws L2TError INTERNAL if the process fails.
 */
export async function inOwnProcess<Name extends keyof Measurements>(
  name: Name,
  job: Parameters<Measurements[Name]>[0],
  signal?: AbortSignal,
): Promise<Awaited<ReturnType<Measurements[Name]>>> {
  // The compiled file, or the source under a TypeScript loader, whose flags the child takes over.
  const script = fileURLToPath(new URL(`./alone${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, script, name, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) throw new L2TError('INTERNAL', 'A process of the measurement failed; its message is above.');
  return JSON.parse(output);
}
