import { Presets, SingleBar } from 'cli-progress';
import type { Run, RunEvent, RunResult } from '../run.js';

/** Without a terminal, a line at most this often, milliseconds. */
const lineEvery = 10_000;

/** Progress of one of several runs in a row, on stderr: one bar on a terminal, else a line now and then. */
export class Stage {
  #bar: SingleBar | undefined;
  #said = Date.now();
  #epochs = 1;

  constructor(private readonly title: string) {}

  /** Follows the run to its end and says what it gave. */
  async follow(run: Run): Promise<RunResult> {
    try {
      for await (const event of run) this.#on(event);
    } finally {
      this.#bar?.stop();
    }
    const result = await run.result;
    const tested =
      result.accuracy === null ? 'no test images' : `${(100 * result.accuracy).toFixed(1)} % of the test images`;
    process.stderr.write(`${this.title}: ${tested}, ${result.seconds.toFixed(0)} s\n`);
    return result;
  }

  #on(event: RunEvent): void {
    if (event.type === 'warning') process.stderr.write(`warning: ${event.message}\n`);
    if (event.type === 'start') this.#epochs = event.epochs;
    if (event.type === 'step') this.#show(event.epoch * event.steps + event.step, this.#epochs * event.steps);
    if (event.type === 'epoch' && !process.stderr.isTTY && Date.now() - this.#said > lineEvery) {
      this.#said = Date.now();
      process.stderr.write(
        `${this.title}: epoch ${event.epoch + 1} of ${event.epochs}, loss ${event.lossOrg.toFixed(3)}\n`,
      );
    }
  }

  #show(done: number, total: number): void {
    if (!process.stderr.isTTY) return;
    if (this.#bar === undefined) {
      const format = `${this.title} {bar} {percentage} %, {eta_formatted} left`;
      this.#bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize: 30 }, Presets.legacy);
      this.#bar.start(total, done);
    }
    this.#bar.update(done);
  }
}
