import { join } from 'node:path';
import { L2TError } from '../errors.js';
import type { EpochEvent, EpochMetrics, SaveEvent, StepEvent } from '../native/addon.js';
import { type Log, openLogs } from '../report/logs/logs.js';
import { GrowingPage } from '../report/page/document.js';
import { runPage } from '../report/run-page.js';
import { type FinishedResult, type RunStatus, reportName, stateName } from '../store/run-data.js';
import type { RunStore } from '../store/run-store.js';
import { percent } from '../system/statistics.js';
import { guessing, isAtChance, isLookedAt } from './chance.js';
import type { RunListener } from './events.js';
import { type Materials, trainedNetwork } from './materials.js';
import type { RunContext } from './run.js';

/** ‖∇φ‖ is about 1 if the target suits its images (docs/method.md). Above this maximum, it is mostly rounding. */
const maxGradient = 100;

/** Writes a run's events to its folder, its logs and its report, and passes them on to the caller. */
export class Recorder implements RunListener {
  #stepsPerEpoch: number | undefined;
  #writable = true;
  #gradientSensible = true;
  readonly #page: GrowingPage | undefined;

  private constructor(
    private readonly store: RunStore,
    private readonly materials: Materials,
    private readonly logs: readonly Log[],
    private readonly context: RunContext,
  ) {
    const { path, record } = store;
    this.#page = record.spec.report ? new GrowingPage(join(path, reportName), context.warn) : undefined;
  }

  /** Begins the run's logs and its report, or goes on with them after the saved epochs. */
  static async begin(store: RunStore, materials: Materials, context: RunContext): Promise<Recorder> {
    const { spec } = store.record;
    const logs = await openLogs(spec.log ?? [], store.path, store.epochs);
    const recorder = new Recorder(store, materials, logs, context);
    await recorder.#page?.write(() => runPage(store.data));
    return recorder;
  }

  /** Ends the logs of a finished run. */
  async end(result: FinishedResult): Promise<void> {
    for (const log of this.logs) await log.end?.(result);
  }

  /** Writes the report of a run that ended before its last epoch. */
  async fail(error: Error): Promise<void> {
    const [{ message }, code] = [error, error instanceof L2TError ? error.code : 'INTERNAL'];
    const status: RunStatus =
      code === 'ABORTED' ? { state: 'interrupted' } : { state: 'failed', failure: { code, message } };
    await this.#page?.write(() => runPage({ ...this.store.data, status }), true);
  }

  step(event: StepEvent): void {
    this.#stepsPerEpoch = event.steps;
    this.context.emit(event);
  }

  /** After a failed write nothing more is written, so the folder keeps its last complete save. */
  async save(event: EpochEvent | SaveEvent): Promise<void> {
    if (!this.#writable) return;
    this.#writable = false;
    if (event.type === 'save') await this.store.saveState(event.state);
    else {
      const network = trainedNetwork(this.materials, event.network);
      await this.store.saveEpoch(event, network, this.context.ranks.size, async (epoch) => {
        for (const log of this.logs) await log.epoch(epoch);
      });
      const { metrics, best, seconds } = event;
      const accuracy = metrics.validationAccuracy ?? metrics.trainAccuracy;
      this.context.emit({ type: 'epoch', epochs: this.materials.spec.epochs, accuracy, best, seconds, ...metrics });
      this.#warnOfChance(metrics);
      this.#warnOfGradient(metrics);
    }
    this.#writable = true;
    await this.#page?.write(() => runPage(this.store.data));
    this.context.emit({ type: 'checkpoint', path: join(this.store.path, stateName) });
  }

  /** Warns once if the run has learned nothing so far, early enough to begin again: such a run seldom learns later. */
  #warnOfChance(metrics: EpochMetrics): void {
    const { spec, data } = this.materials;
    const [steps, { epochs }] = [this.#stepsPerEpoch, spec];
    if (steps === undefined || !isLookedAt(metrics.epoch, { epochs, steps })) return;
    const { labels } = data.train;
    const chance = guessing(labels, data.classNames.length, spec);
    if (!isAtChance(metrics, labels.length, chance)) return;
    const guessed = chance.accuracy === undefined ? '' : `, where guessing gets ${percent(chance.accuracy)}`;
    const right = `${percent(metrics.trainAccuracy)} of its images right${guessed}`;
    const loss = `the loss is ${metrics.losses.org.toFixed(3)}, that of guessing ${chance.loss.toFixed(3)}`;
    const { lr } = this.store.rates ?? {};
    const rate = lr ? `{lr=${lr.lr / 4}}` : '{lr=auto}, or a lower {lr}';
    const message = `nothing is learned so far: epoch ${metrics.epoch + 1} got ${right}, and ${loss}. Try ${rate}; and see whether the labels are right (l2t-native data check)`;
    this.context.warn(message);
  }

  /** Warns once of a hypergradient from which w and λ learn nothing. */
  #warnOfGradient({ gradPhi = 0 }: EpochMetrics): void {
    if (gradPhi <= maxGradient || !this.#gradientSensible) return;
    this.#gradientSensible = false;
    const size = Math.round(gradPhi).toLocaleString('en');
    const message = `the gradient of the meta-networks has the norm ${size} (about 1 is usual): it is mostly rounding, so w and λ learn little. Use a larger {size} or {batch}, another {target}, or {method=fm}`;
    this.context.warn(message);
  }
}
