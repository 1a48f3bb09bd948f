import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../setup/files.mjs';

export interface Server {
  readonly child: ChildProcess;
  /** http://127.0.0.1:40123/classify */
  readonly url: string;
  /** The lines that it printed, so far. */
  readonly lines: readonly string[];
}

/**
 * Starts examples/serve.mjs with a network's file, on a free port. `preload` is a module that is loaded before, such as
 * one that replaces `Network.load`. Resolves when the server listens.
 */
export async function startServer(
  network: string,
  { preload, env }: { readonly preload?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Server> {
  const modules = preload === undefined ? [] : ['--import', join(packageRoot, preload)];
  const args = [...modules, join(packageRoot, 'examples/serve.mjs'), network];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const printed = createInterface({ input: child.stdout });
  printed.on('line', (line) => lines.push(line));
  await Promise.race([
    once(printed, 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('The server ended before it listened.'))),
  ]);
  return { child, url: `${lines[0]}/classify`, lines };
}

/** Ends a server in good order. Returns its exit code. */
export async function stopServer({ child }: Server): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await ended;
  return code as number | null;
}
