import type { SingleBar } from 'cli-progress';
import type { RunEvent } from '../run/events.js';
import type { Run, RunResult } from '../run/run.js';
import { duration, printable } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { newBar, say } from './progress.js';
import { TimeLeft } from './time-left.js';

/** Minimum time between two lines without a bar, milliseconds. */
const lineEvery = 10_000;

/**
 * Progress of one of several runs, on stderr: a bar if no other is under way on a terminal, else a line now and then.
 */
export class Stage {
  /** Warnings that were printed: each is printed once, even if every run repeats it. */
  static readonly #warnings = new Set<string>();
  /** The number of runs under way: two bars would write over each other. */
  static #underWay = 0;

  #bar: SingleBar | undefined;
  #lastLine = Date.now();
  #epochs = 1;
  #began = false;
  readonly #time = new TimeLeft();

  constructor(private readonly title: string) {}

  /** Follows the run to its end and prints its result; `also` has its events, too. */
  async follow(run: Run, also?: (event: RunEvent) => void): Promise<RunResult> {
    Stage.#underWay++;
    try {
      for await (const event of run) {
        this.#on(event);
        also?.(event);
      }
    } finally {
      Stage.#underWay--;
      this.#clear();
    }
    const result = await run.result;
    const tested = result.accuracy === null ? 'no test images' : `${percent(result.accuracy)} of the test images`;
    say(`${this.title}: ${tested}, ${result.seconds.toFixed(0)} s`);
    return result;
  }

  #on(event: RunEvent): void {
    this.#time.on(event);
    if (event.type === 'warning') this.#warn(event.message);
    if (event.type === 'start') [this.#epochs, this.#began] = [event.epochs, true];
    const barred = process.stderr.isTTY && Stage.#underWay === 1;
    if (!barred) this.#clear();
    if (event.type === 'step' && barred) {
      this.#show(event.epoch * event.steps + event.step, this.#epochs * event.steps);
    }
    if (event.type === 'epoch' && !barred && Date.now() - this.#lastLine > lineEvery) {
      const { epoch, epochs, losses } = event;
      this.#lastLine = Date.now();
      const left = this.#time.seconds;
      const rest = left === undefined ? '' : `, ${duration(left)} left`;
      say(`${this.title}: epoch ${epoch + 1} of ${epochs}, loss ${losses.org.toFixed(3)}${rest}`);
    }
  }

  #warn(message: string): void {
    // Before they begin, all runs give the same warnings.
    if (!this.#began && Stage.#warnings.has(message)) return;
    Stage.#warnings.add(message);
    say(`warning: ${this.#began ? `${this.title}: ` : ''}${printable(message)}`);
  }

  #show(done: number, total: number): void {
    this.#bar ??= newBar(`${this.title} {bar} {percentage} %, {eta_formatted} left`);
    if (this.#bar.isActive) this.#bar.update(done);
    else this.#bar.start(total, done);
  }

  #clear(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
