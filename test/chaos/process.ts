import { spawn } from 'node:child_process';
import { main } from '../tiny.js';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It ran longer than its time and was killed. */
  readonly hung: boolean;
  readonly seconds: number;
}

export interface Started {
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Seconds after which it is killed. */
  readonly patience?: number;
  /** A command that runs it, such as prlimit with its options. */
  readonly through?: readonly string[];
  readonly cwd?: string;
  /** Called with the process, to send it signals. */
  readonly meanwhile?: (child: { kill(signal: NodeJS.Signals): boolean; readonly pid?: number | undefined }) => void;
}

/** Runs a program to its end. */
export function end(
  command: readonly string[],
  { env, patience = 120, through = [], cwd, meanwhile }: Started = {},
): Promise<Ended> {
  const [program, ...args] = [...through, ...command] as [string, ...string[]];
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd && { cwd }),
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk) => {
        texts[name] = (texts[name] + chunk).slice(-1_000_000);
      });
    }
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      child.kill('SIGKILL');
    }, 1000 * patience);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...texts, hung, seconds: (performance.now() - start) / 1000 });
    });
    meanwhile?.(child);
  });
}

/** Runs `l2t-native` with these arguments to its end. */
export const cli = (args: readonly string[], options?: Started): Promise<Ended> =>
  end([process.execPath, main, ...args], options);

/** How a process ended, for a find. */
export const how = ({ code, signal, hung, stderr, stdout }: Ended): string =>
  `${hung ? 'it hung' : signal ? `it died of ${signal}` : `it ended with ${code}`}: ${(stderr + stdout).slice(-1500)}`;

/** Did it end by itself, with success or one of our errors? A stack or INTERNAL is neither. */
export function isOrderly({ code, signal, hung, stderr }: Ended): boolean {
  if (hung || signal !== null || code === null) return false;
  if (/^\s+at .*:\d+:\d+\)?$/m.test(stderr) || /error\[INTERNAL\]/.test(stderr)) return false;
  return code === 0 || /^(error\[[A-Z_]+\]|error): /m.test(stderr);
}
