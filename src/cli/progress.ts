import { Presets, SingleBar } from 'cli-progress';
import { spelled } from '../options/spelling.js';
import {
  enoughToSelect,
  type RateEvent,
  type RunEpochEvent,
  type RunEvent,
  type SourceEvent,
  type StartEvent,
} from '../run/events.js';
import { counted, duration, printable } from '../system/printable.js';
import { percent } from '../system/statistics.js';
import { interruptible } from './interrupt.js';
import { TimeLeft } from './time-left.js';

/** Prints a line on stderr. */
export const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/** Returns a bar on stderr that is not started yet. */
export const newBar = (format: string): SingleBar =>
  new SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize: 30 }, Presets.legacy);

/** Progress on stderr: bars on a terminal, plain lines otherwise. */
export class Progress {
  /** True if validation accuracy selects the best epoch: the best so far is then marked. */
  #selectBest = false;
  #bar: SingleBar | undefined;
  #counts = false;
  #lastLine = Date.now();
  /** The source that is fine-tuned first, which has lines and bars of its own. */
  #source: { readonly index: number; readonly progress: Progress } | undefined;
  readonly #time = new TimeLeft();

  constructor(
    /** Begins each line, to tell several runs apart. */
    private readonly label = '',
  ) {}

  readonly warn = (message: string): void => this.note(`warning: ${spelled(message)}`);

  readonly note = (text: string): void => {
    this.stop();
    this.#lastLine = Date.now();
    say(`${this.label}${printable(text)}`);
  };

  /** Shows how many entries of the data folder are listed; without a terminal a line every few seconds. */
  readonly listing = (entries: number): void => {
    const what = 'entries of the data folder listed';
    this.#tell(`${entries} ${what}`, what, entries);
  };

  /** Shows how many images are decoded; without a terminal a line every few seconds. */
  readonly data = (done: number, total: number): void => {
    this.#tell(`${done} of ${total} images read`, 'images', done, total);
    if (done === total) this.stop();
  };

  /** The listeners of `evaluate`. */
  readonly listeners = { onListed: this.listing, onProgress: this.data, onWarning: this.warn, onNote: this.note };

  on(event: RunEvent): void {
    const takes = this.#time.on(event);
    this.#print(event);
    if (takes !== undefined) this.note(takes);
  }

  /** The time that is left, to end a line. */
  get #left(): string {
    const seconds = this.#time.seconds;
    return seconds === undefined ? '' : `, ${duration(seconds)} left`;
  }

  #print(event: RunEvent): void {
    if (event.type === 'warning') this.warn(event.message);
    else if (event.type === 'note') this.note(event.message);
    else if (event.type === 'listing') this.listing(event.entries);
    else if (event.type === 'data' || event.type === 'report') this.data(event.done, event.total);
    else if (event.type === 'rate') this.#rate(event);
    else if (event.type === 'start') this.#start(event);
    else if (event.type === 'source') this.#finetuning(event);
    else if (event.type === 'step' && process.stderr.isTTY)
      this.#show(
        `epoch ${event.epoch + 1}`,
        event.step,
        event.steps,
        `loss ${event.losses.org.toFixed(3)}${this.#left}`,
      );
    else if (event.type === 'epoch')
      this.note(describeEpoch(event, this.#selectBest) + (event.epoch + 1 < event.epochs ? this.#left : ''));
  }

  #finetuning({ source, sources, event }: SourceEvent): void {
    if (this.#source?.index !== source) {
      this.note(`fine-tuning the source${sources > 1 ? ` (${source + 1} of ${sources})` : ''}`);
      this.#source = { index: source, progress: new Progress(this.label) };
    }
    this.#source.progress.on(event);
  }

  #start(event: StartEvent): void {
    this.#selectBest = event.selectBest;
    this.note(describeStart(event));
  }

  #rate({ done, total, lr, loss }: RateEvent): void {
    const about = `${lr.toPrecision(2)}: loss ${loss.toFixed(3)}`;
    this.#tell(`${done} of at most ${total} learning rates tried`, 'learning rate', done, total, about);
  }

  /** Shows a bar on a terminal; without one, prints the line if the last one is a few seconds old. */
  #tell(line: string, what: string, done: number, total = 0, note = ''): void {
    if (process.stderr.isTTY) this.#show(what, done, total, note);
    else if (Date.now() - this.#lastLine > 5000) this.note(line);
  }

  /** Shows a bar, or only a count if the total is unknown. */
  #show(what: string, done: number, total = 0, note = ''): void {
    if (this.#counts !== (total === 0)) this.stop();
    this.#counts = total === 0;
    if (this.#bar === undefined) {
      this.#bar = newBar(`${this.label}${this.#counts ? '{value} {what}' : '{what} {bar} {value}/{total} {note}'}`);
      this.#bar.start(total, done, { what, note });
    }
    this.#bar.setTotal(total);
    this.#bar.update(done, { what, note });
  }

  stop(): void {
    this.#source?.progress.stop();
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** Shows how much of something is done: one changing line on a terminal, else a plain line every tenth. */
export function shares(): (what: string, done: number, total: number | undefined) => void {
  let last = -1;
  return (what, done, total) => {
    const share = total === undefined ? undefined : done / Math.max(total, 1);
    const tenth = Math.floor(share === undefined ? done / 1000 : 10 * share);
    const line = share === undefined ? `${what} (${done})` : `${what}: ${Math.floor(100 * share)} %`;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${done === total ? '\n' : ''}`);
    else if (tenth !== last) say(line);
    last = tenth;
  };
}

/** Runs `body`, as `interruptible` does, with progress that stops at its end. */
export async function withProgress<T>(body: (progress: Progress, signal: AbortSignal) => Promise<T>): Promise<T> {
  const progress = new Progress();
  return interruptible((signal) => body(progress, signal)).finally(() => progress.stop());
}

function describeStart(event: StartEvent): string {
  const { run, method, target, classes, pairs, device, backend, threads, lr, rate } = event;
  const sources = new Set(pairs.map(({ source }) => source)).size;
  const matched =
    pairs.length > 0
      ? `, ${counted(pairs.length, 'pair')} of features${sources > 1 ? ` with ${sources} sources` : ''}`
      : '';
  return `${method}: ${target}, ${counted(classes, 'class', 'classes')}${matched}; ${describeImages(event)}; learning rate ${lr}${rate ? ' (found)' : ''}; ${counted(threads, 'thread')} on ${device} (backend ${backend}); ${run}`;
}

function describeImages({
  images: { train, unlabelled, validation, test },
  testDrawn,
  selectBest,
}: StartEvent): string {
  const drawn = testDrawn ? ' (a tenth of each class: the data has none)' : '';
  const few = validation > 0 ? ` (it takes ${enoughToSelect} validation images to choose one)` : '';
  const result = selectBest ? 'the epoch with the best validation accuracy' : `the last epoch${few}`;
  const without = unlabelled === undefined ? '' : `, ${unlabelled} without labels`;
  return `${train} training${without}, ${validation} validation, ${test} test images${drawn}; the result is ${result}`;
}

function describeEpoch({ epoch, epochs, best, seconds, ...metrics }: RunEpochEvent, selectBest: boolean): string {
  const { trainAccuracy, validationAccuracy } = metrics;
  const { org, ...added } = metrics.losses;
  const terms = Object.entries(added).map(([name, loss]) => ` ${name} ${loss.toFixed(4)}`);
  const validation =
    validationAccuracy === undefined
      ? ''
      : ` validation ${percent(validationAccuracy, 2)}${best && selectBest ? ' *' : ''}`;
  const width = String(epochs).length;
  return `epoch ${String(epoch + 1).padStart(width)}/${epochs}  loss ${org.toFixed(4)}${terms.join('')}  train ${percent(trainAccuracy, 2)}${validation}  ${seconds.toFixed(1)} s`;
}
