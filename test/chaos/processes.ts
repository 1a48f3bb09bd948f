import { type ChildProcess, execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../../src/errors.js';
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
  /** Seconds after which it is killed; from the last change of the file `progress` on, if there is one. */
  readonly patience?: number;
  readonly progress?: string;
  /** A command that runs it, such as prlimit with its options. */
  readonly through?: readonly string[];
  /** Called with the process, to send it signals. */
  readonly meanwhile?: (child: ChildProcess) => void;
}

/** Runs a program to its end. */
export function end(
  command: readonly string[],
  { env, patience = 120, progress, through = [], meanwhile }: Started = {},
) {
  const [program, ...args] = [...through, ...command] as [string, ...string[]];
  const start = Date.now();
  return new Promise<Ended>((resolve) => {
    let hung = false;
    const options = { env: { ...process.env, ...env }, maxBuffer: 2 ** 28 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      clearInterval(timer);
      const { exitCode: code, signalCode: signal } = child;
      const seconds = (Date.now() - start) / 1000;
      resolve({
        code,
        signal,
        stdout,
        stderr: stderr || (typeof error?.code === 'string' ? String(error) : ''),
        hung,
        seconds,
      });
    });
    const timer = setInterval(() => {
      const last = progress === undefined ? 0 : (statSync(progress, { throwIfNoEntry: false })?.mtimeMs ?? 0);
      hung ||= Date.now() - Math.max(start, last) > 1000 * patience;
      if (hung) child.kill('SIGKILL');
    }, 500);
    child.stdin?.end();
    meanwhile?.(child);
  });
}

/** Runs `l2t-native` with these arguments to its end. */
export const cli = (args: readonly string[], options?: Started): Promise<Ended> =>
  end([process.execPath, main, ...args], options);

/** Runs child.ts: `work` is a range of tries, or a scene and its seed. */
export function inOwnProcess(part: string, folder: string, shared: unknown, work: unknown, options?: Started) {
  const script = fileURLToPath(new URL('child.ts', import.meta.url));
  const args = [part, folder, JSON.stringify(shared ?? null), JSON.stringify(work)];
  return end([process.execPath, '--expose-gc', '--import', 'tsx', script, ...args], options);
}

/** How a process ended, for a find. */
export const how = ({ code, signal, hung, stderr, stdout }: Ended): string =>
  `${hung ? 'it hung' : signal ? `it died of ${signal}` : `it ended with ${code}`}: ${(stderr + stdout).slice(-1500)}`;

/** Did it end by itself, with success or one of our errors? A stack or INTERNAL is neither. */
export function isOrderly({ code, signal, hung, stderr }: Ended): boolean {
  if (hung || signal !== null || code === null) return false;
  if (/^\s+at .*:\d+:\d+\)?$/m.test(stderr) || /error\[INTERNAL\]/.test(stderr)) return false;
  return code === 0 || /^(error\[[A-Z_]+\]|error): /m.test(stderr);
}

const documented = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
/** Is it a documented code, other than INTERNAL, our own mistake? */
export const isKnownCode = (code: unknown): boolean =>
  code !== 'INTERNAL' && documented.split('\n').includes(`## ${code}`);

/** What is wrong with a thrown error; undefined if its code is documented, and a small file may cause it. */
export function wrongError(error: unknown): string | undefined {
  if (error instanceof L2TError && isKnownCode(error.code) && !error.code.startsWith('OUT_OF_')) return undefined;
  const { code, stack, cause } = Object(error) as { code?: string; stack?: string; cause?: { stack?: string } };
  return `${code ?? 'no code'}: ${stack ?? error}\n${cause?.stack ?? ''}`.slice(0, 3000);
}
