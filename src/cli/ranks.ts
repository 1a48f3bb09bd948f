import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { exitCodeOf } from './interrupt.js';
import { launchedMark } from './launched.js';

type Environment = Readonly<Record<string, string>>;

/** Signals that the launcher passes on. */
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Exit codes of a rank that was interrupted. */
const interrupted: readonly number[] = Object.values(exitCodeOf);
/** Milliseconds that the other ranks have to save and end, once one has failed. */
const grace = 20_000;

const program = fileURLToPath(new URL('l2t-native.cjs', import.meta.url));

/** The processes of a run on this host, from their start to the end of the last one. */
export class Ranks {
  /** The exit code of the rank that failed first; 0 if none did. */
  readonly ended: Promise<number>;
  #code = 0;
  /** A signal was passed on, so all ranks end by themselves, after the same step. */
  #passed = false;
  readonly #children: readonly ChildProcess[];
  #killer: NodeJS.Timeout | undefined;

  /** `words`: the verb and its arguments. `places`: what each rank has in its environment. */
  constructor(words: readonly string[], places: readonly Environment[]) {
    this.#children = places.map((place) => start(words, place));
    const pass = (signal: NodeJS.Signals) => {
      this.#passed = true;
      this.#send(signal);
    };
    for (const signal of forwarded) process.on(signal, pass);
    const all = this.#children.map((child, k) => this.#end(child, (places[k] as Environment).RANK as string));
    this.ended = Promise.all(all).then(() => {
      for (const signal of forwarded) process.off(signal, pass);
      clearTimeout(this.#killer);
      return this.#code;
    });
  }

  /** Waits for a rank's end. If it failed, the others end, too. */
  #end(child: ChildProcess, rank: string): Promise<void> {
    return new Promise((resolve) => {
      const close = (code: number, how: string) => {
        if (code !== 0 && this.#code === 0) this.#stop(code, `rank ${rank} ${how}`);
        resolve();
      };
      child.on('error', (error) => close(1, `could not be started: ${error.message}`));
      // An exit code may come before all of the output: the others need not wait for that.
      child.on('exit', (code, signal) => {
        if (code !== 0 && this.#code === 0) this.#stop(codeOf(code, signal), `rank ${rank} ${howOf(code, signal)}`);
      });
      child.on('close', (code, signal) => close(codeOf(code, signal), howOf(code, signal)));
    });
  }

  #stop(code: number, what: string): void {
    this.#code = code;
    const others = this.#running();
    if (others.length === 0) return;
    if (!interrupted.includes(code)) process.stderr.write(`${what}: ending the others\n`);
    // One more would be a rank's second signal, at which it ends at once.
    if (!(this.#passed && interrupted.includes(code))) this.#send('SIGTERM');
    // A rank that was stopped wakes up for it.
    this.#send('SIGCONT');
    this.#killer = setTimeout(() => this.#send('SIGKILL'), grace);
  }

  #running = (): readonly ChildProcess[] =>
    this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);

  #send(signal: NodeJS.Signals): void {
    for (const child of this.#running()) child.kill(signal);
  }
}

/** Rank 0 has this process's outputs; the lines of the others begin with their rank. The channel tells them its end. */
function start(words: readonly string[], place: Environment): ChildProcess {
  const own = place.RANK === '0';
  const output = own ? 'inherit' : 'pipe';
  const child = spawn(process.execPath, [...process.execArgv, program, ...words], {
    env: { ...process.env, ...place, [launchedMark]: '1' },
    stdio: ['ignore', output, output, 'ipc'],
  });
  if (child.stdout) prefixLines(child.stdout, process.stdout, `[rank ${place.RANK}] `);
  if (child.stderr) prefixLines(child.stderr, process.stderr, `[rank ${place.RANK}] `);
  return child;
}

/** Copies whole lines, so that those of several ranks never mix. */
export function prefixLines(from: Readable, to: Writable, prefix: string): void {
  let begun = '';
  from.setEncoding('utf8');
  from.on('data', (chunk: string) => {
    const lines = `${begun}${chunk}`.split('\n');
    begun = lines.pop() as string;
    if (lines.length > 0) to.write(lines.map((line) => `${prefix}${line}\n`).join(''));
  });
  from.on('end', () => {
    if (begun !== '') to.write(`${prefix}${begun}\n`);
  });
}

/** As a shell has it: 128 and the signal's number. */
const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? (signal === null ? 1 : 128 + constants.signals[signal]);

const howOf = (code: number | null, signal: NodeJS.Signals | null): string =>
  signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
