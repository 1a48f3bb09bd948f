import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Replied<T> {
  /** The child's answer; undefined if it ended first. */
  readonly answer?: T;
  /** How the child ended, if it did. */
  readonly ended?: string;
  /** What the child printed meanwhile. */
  readonly printed: string;
  /** The child's own folder. */
  readonly folder: string;
}

export interface ChildOptions {
  /** The child's own folder, for its files. */
  readonly folder: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node itself. */
  readonly execArgv?: readonly string[];
  /**
   * Seconds of CPU time after which a job counts as hung. A job that waits gets six times as many seconds: other
   * processes may slow it down.
   */
  readonly patience: number;
}

/** The most seconds in which a process loads everything and tries it once. */
const slowestStart = 300;

/** The CPU time of a process in all its threads, seconds. */
function cpuSeconds({ pid }: ChildProcess): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // After its name, which may hold anything, user and system time are the 12th and 13th field, in hundredths.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** A process that does one job after another, by a script of this folder. If it ends, the next job starts a new one. */
export class Child<Job, Answer> {
  #process: ChildProcess | undefined;
  readonly #output: string;
  #read = 0;

  constructor(
    private readonly script: string,
    private readonly options: ChildOptions,
  ) {
    this.#output = join(options.folder, 'output');
  }

  /**
   * Starts the process, if none is running, and waits until it is ready for jobs. @throws Error if it ends before that.
   */
  async start(): Promise<ChildProcess> {
    if (this.#process !== undefined) return this.#process;
    const child = this.#spawn();
    const timer = setTimeout(() => child.kill('SIGKILL'), 1000 * slowestStart);
    const ended = await new Promise<string | undefined>((resolve) => {
      child.once('message', () => resolve(undefined));
      child.once('exit', (code, signal) => resolve(`ended with ${code ?? signal}`));
    });
    clearTimeout(timer);
    if (ended !== undefined) throw new Error(`${this.script} ${ended} before it was ready: ${this.#printed()}`);
    this.#process = child;
    return child;
  }

  #spawn(): ChildProcess {
    const { args = [], env, execArgv = [] } = this.options;
    // A file, not a pipe: all output is there when the answer is, even if the process died.
    writeFileSync(this.#output, '');
    this.#read = 0;
    const output = openSync(this.#output, 'a');
    const path = fileURLToPath(new URL(this.script, import.meta.url));
    const child = spawn(process.execPath, [...execArgv, '--import', 'tsx', path, this.options.folder, ...args], {
      stdio: ['ignore', output, output, 'ipc'],
      env: { ...process.env, ...env },
      serialization: 'advanced',
    });
    closeSync(output);
    // #ask handles the end of the process; an error between two jobs needs no handling.
    child.on('error', () => {});
    return child;
  }

  async ask(job: Job): Promise<Replied<Answer>> {
    const child = await this.start();
    const { patience } = this.options;
    const replied = await new Promise<{ answer?: Answer; ended?: string }>((resolve) => {
      let hung = false;
      const [start, computed] = [performance.now(), cpuSeconds(child)];
      const settle = (value: { answer?: Answer; ended?: string }) => {
        clearInterval(timer);
        child.off('message', answered).off('exit', exited);
        resolve(value);
      };
      const answered = (answer: unknown) => settle({ answer: answer as Answer });
      const exited = () => {
        const { exitCode, signalCode } = child;
        const limits = `it computed for ${patience} s, or waited for ${6 * patience} s`;
        const died = signalCode ? `it died of ${signalCode}` : `it ended with ${exitCode}`;
        settle({ ended: hung ? `it hung: ${limits}` : died });
      };
      const timer = setInterval(() => {
        const waited = (performance.now() - start) / 1000;
        if (waited < patience || (waited < 6 * patience && cpuSeconds(child) - computed < patience)) return;
        hung = true;
        child.kill('SIGKILL');
      }, 500);
      child.on('message', answered).on('exit', exited);
      // It may have died after it answered the last job.
      if (child.exitCode !== null || child.signalCode !== null) exited();
      else child.send(job as object, () => {});
    });
    if (replied.ended !== undefined) this.#process = undefined;
    return { ...replied, printed: this.#printed(), folder: this.options.folder };
  }

  /** What the process printed since the last call. */
  #printed(): string {
    const file = openSync(this.#output, 'r');
    try {
      const { size } = fstatSync(file);
      if (size === this.#read) return '';
      const text = readFileSync(file, 'utf8').slice(this.#read);
      this.#read = size;
      return text.slice(0, 2000);
    } finally {
      closeSync(file);
    }
  }

  /** Ends the process, and returns what it printed at its end. */
  async end(): Promise<string> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return '';
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
    return this.#printed();
  }
}

/** As many children as lanes, each doing one job at a time. */
export class Children<Job, Answer> {
  readonly #idle: Child<Job, Answer>[];
  readonly #all: readonly Child<Job, Answer>[];

  constructor(lanes: number, start: (lane: number) => Child<Job, Answer>) {
    this.#all = Array.from({ length: lanes }, (_, lane) => start(lane));
    this.#idle = [...this.#all];
  }

  /** @throws Error if a child does not become ready. */
  async start(): Promise<void> {
    await Promise.all(this.#all.map((child) => child.start()));
  }

  /** Call it for no more jobs at once than there are children, so that one is idle. */
  async ask(job: Job): Promise<Replied<Answer>> {
    const child = this.#idle.pop() as Child<Job, Answer>;
    try {
      return await child.ask(job);
    } finally {
      this.#idle.push(child);
    }
  }

  async end(): Promise<string> {
    return (await Promise.all(this.#all.map((child) => child.end()))).join('');
  }
}

/** In a child: answers each job until the parent disconnects. */
export function answer<Job, Answer>(work: (job: Job) => Promise<Answer>): void {
  process.on('message', (job: Job) => {
    work(job).then(
      (answered) => process.send?.(answered),
      (error: unknown) => {
        // A mistake in the test itself.
        console.error(error);
        process.exit(70);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}
