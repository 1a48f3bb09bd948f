import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Replied<T> {
  /** What it answered; undefined where it did not live to. */
  readonly answer?: T;
  /** How it came to its end, where it did. */
  readonly ended?: string;
  /** What it printed meanwhile. */
  readonly printed: string;
  /** Its own. */
  readonly folder: string;
}

export interface ChildOptions {
  /** For what it writes; its own. */
  readonly folder: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Node's own. */
  readonly execArgv?: readonly string[];
  /** A job that computes for longer hangs, seconds; one that waits, after six times as much: other processes may be in its way. */
  readonly patience: number;
}

/** Seconds for a process to load everything and try it once. */
const slowestStart = 300;

/** What a process has computed for in all its threads. */
function cpuSeconds({ pid }: ChildProcess): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Behind its name, which may hold anything, user and system time are the 12th and 13th field, in hundredths.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** A process that does one job after another, a script of this folder; a new one where the last came to an end. */
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

  /** A process that is ready for jobs. @throws Error where it does not come to be. */
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
    // A file, not a pipe: what was printed is there when the answer is, also of a process that died.
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
    // Its end is what #ask waits for; nobody waits for it between two jobs.
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
      // It may have died of the last job after it had answered.
      if (child.exitCode !== null || child.signalCode !== null) exited();
      else child.send(job as object, () => {});
    });
    if (replied.ended !== undefined) this.#process = undefined;
    return { ...replied, printed: this.#printed(), folder: this.options.folder };
  }

  /** Since the last question. */
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

  /** Ends it, and gives what it printed at its end. */
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

  /** @throws Error where one cannot do any job. */
  async start(): Promise<void> {
    await Promise.all(this.#all.map((child) => child.start()));
  }

  /** There is one idle wherever no more jobs go on than there are children. */
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

/** In a child: answers each job until the parent goes. */
export function answer<Job, Answer>(work: (job: Job) => Promise<Answer>): void {
  process.on('message', (job: Job) => {
    work(job).then(
      (answered) => process.send?.(answered),
      (error: unknown) => {
        // A mistake of the try's own.
        console.error(error);
        process.exit(70);
      },
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}
