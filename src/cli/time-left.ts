import type { RunEvent, StartEvent } from '../run/events.js';
import { counted, duration } from '../system/printable.js';
import { mean } from '../system/statistics.js';

/** The steps, or seconds of steps, before the first estimate. The first step of all is not counted. */
const enough = { steps: 5, seconds: 5 };
/** Epochs whose times are averaged. */
const recent = 10;

/** Estimates the time that a run still takes, from its own steps and epochs. */
export class TimeLeft {
  #start: StartEvent | undefined;
  /** The first step that was seen: its time, and whether it began its epoch. */
  #first: { readonly time: number; readonly whole: boolean } | undefined;
  #stepsSeen = 0;
  #secondsPerStep: number | undefined;
  #stepsPerEpoch = 0;
  /** Epochs done, the one under way counted by its steps. */
  #done = 0;
  #epochs: number[] = [];
  #epochEnded: number | undefined;
  #reported = false;

  /** `now`: seconds. */
  constructor(private readonly now = () => performance.now() / 1000) {}

  /** Returns, once, a line that says how long the run will take. */
  on(event: RunEvent): string | undefined {
    if (event.type === 'start') this.#start = event;
    else if (event.type === 'step') this.#step(event);
    else if (event.type === 'epoch') this.#epoch(event);
    const [perEpoch, left] = [this.#secondsPerEpoch, this.seconds];
    if (this.#reported || perEpoch === undefined || left === undefined || this.#start === undefined) return undefined;
    this.#reported = true;
    const epochs = this.#start.epochs - Math.floor(this.#done);
    if (epochs === 0) return undefined;
    const each = perEpoch < 1 ? `${perEpoch.toFixed(2)} s` : duration(perEpoch);
    return `${counted(epochs, 'epoch')} of about ${each}: ${duration(left)}`;
  }

  /** Seconds left, with validation, the test and the report; undefined before the first estimate. */
  get seconds(): number | undefined {
    const perEpoch = this.#secondsPerEpoch;
    if (perEpoch === undefined || this.#start === undefined) return undefined;
    const { epochs, images } = this.#start;
    // The target alone sees the test images, twice, and only forwards: a third of a training step's work.
    const end = ((perEpoch / images.train) * 2 * images.test) / 3;
    return Math.max(0, epochs - this.#done) * perEpoch + end;
  }

  #step({ epoch, step, steps }: { readonly epoch: number; readonly step: number; readonly steps: number }): void {
    const now = this.now();
    this.#stepsPerEpoch = steps;
    this.#done = epoch + step / steps;
    if (this.#first === undefined) {
      this.#first = { time: now, whole: step === 1 };
      return;
    }
    this.#stepsSeen++;
    const seconds = now - this.#first.time;
    const measured = this.#secondsPerStep === undefined && this.#epochEnded === undefined;
    if (measured && (this.#stepsSeen >= enough.steps || seconds >= enough.seconds))
      this.#secondsPerStep = seconds / this.#stepsSeen;
  }

  /** Adds an epoch. The first one of a resumed run is a part of one. */
  #epoch({ epoch, seconds }: { readonly epoch: number; readonly seconds: number }): void {
    const now = this.now();
    if (this.#epochEnded !== undefined) this.#epochs.push(now - this.#epochEnded);
    else if (this.#first?.whole) this.#epochs.push(seconds);
    this.#epochEnded = now;
    this.#done = epoch + 1;
  }

  get #secondsPerEpoch(): number | undefined {
    if (this.#epochs.length > 0) return mean(this.#epochs.slice(-recent));
    return this.#secondsPerStep === undefined ? undefined : this.#secondsPerStep * this.#stepsPerEpoch;
  }
}
