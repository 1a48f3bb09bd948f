import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../setup/files.mjs';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in the package's folder to its end. Its stderr is shown, too. `onStderr`: called with all of it. */
export function command(
  [program, ...args]: readonly [string, ...string[]],
  onStderr?: (text: string, kill: () => void) => void,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: packageRoot, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      process.stderr.write(chunk);
      stderr += chunk;
      onStderr?.(stderr, () => child.kill('SIGKILL'));
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** A script of this package, run as this process is. */
export const script = (path: string, ...args: readonly string[]): [string, ...string[]] => [
  process.execPath,
  ...process.execArgv,
  join(packageRoot, path),
  ...args,
];

/** How a command failed. */
export const failure = ({ code, signal, stderr }: Ended): string =>
  `${signal ? `it died of ${signal}` : `it ended with ${code}`}: ${stderr.trim().slice(-500)}`;
