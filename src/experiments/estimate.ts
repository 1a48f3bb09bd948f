import { addon } from '../native/addon.js';
import { networkOf } from '../networks/describe.js';
import { onnxFacts, type Source } from '../networks/sources.js';
import { defaultOf } from '../options/check.js';
import { type MethodName, needsOf } from '../options/methods.js';
import { defaultSize, type NetworkName } from '../options/networks.js';
import { compareSchema } from '../options/schemas.js';
import { begin, type RunSpec, read } from '../options/spec.js';
import { stepsPerEpoch } from '../run/learning-rate.js';
import { type StepTime, type TimedRun, timeStep } from '../run/step-time.js';
import { sum } from '../system/statistics.js';
import { availableCores, defaultThreads } from '../system/threads.js';
import type { Entry, ExperimentOptions } from './entries.js';
import { finetunings, type PlannedRow, type RowTitle } from './plan.js';
import { defaultParallel } from './pool.js';

/** The estimated time of the runs of one row. */
export interface EntryEstimate extends RowTitle {
  /** Milliseconds of the fastest step that was timed here. */
  readonly msPerStep: number;
  /** Milliseconds of the slowest one. */
  readonly maxMsPerStep: number;
  /** Steps of one run. */
  readonly steps: number;
  /** Seconds of these steps. */
  readonly seconds: number;
}

/** The estimated time of an experiment. */
export interface Estimate {
  /** One for each source that is fine-tuned first, and one for each row of the table. */
  readonly entries: readonly EntryEstimate[];
  /** Seconds of all runs, with every seed, as many in parallel as the options say. Validation and loading are not included. */
  readonly seconds: number;
}

interface Estimated {
  readonly entries: readonly Entry[];
  readonly options: ExperimentOptions;
  /** The number of classes of the data. */
  readonly classes: number;
  /** The number of training images of each entry, in the order of `entries`. */
  readonly images: readonly number[];
  readonly sources: readonly ({ readonly network: NetworkName | 'onnx'; readonly classes: number } & Pick<
    Source,
    'onnx'
  >)[];
}

/**
 * Times a few steps of each method on this machine, and multiplies by the number of steps.
 * @throws L2TError as `timeStep`; INVALID_OPTION for pairs that the networks do not have.
 */
export async function estimate(
  subject: Estimated,
  { signal, onMethod }: { signal?: AbortSignal | undefined; onMethod?: ((label: string) => void) | undefined },
): Promise<Estimate> {
  const { options, entries } = subject;
  const rows = entries.map((entry, k) => {
    const images = subject.images[k] as number;
    return { ...titleOf(entry), images, spec: specOf(entry, images, subject.sources) };
  });
  const runs = [...sourcesOf(rows), ...rows];
  const specs = runs.map(({ spec }) => spec);
  const { seeds = defaultOf(compareSchema, 'seeds'), parallel = defaultParallel(specs) } = options;
  const timed = new Map<string, StepTime>();
  const estimates: EntryEstimate[] = [];
  for (const { images, spec, ...title } of runs) {
    const { batch, epochs } = spec;
    const kind = `${title.label} ${Math.min(batch, images)}`;
    if (!timed.has(kind)) {
      onMethod?.(title.label);
      timed.set(kind, await timeStep(timedRun(spec, images, subject), signal));
    }
    const { min: step, max } = timed.get(kind) as StepTime;
    const steps = epochs * stepsPerEpoch(images, batch);
    estimates.push({ ...title, msPerStep: 1000 * step, maxMsPerStep: 1000 * max, steps, seconds: steps * step });
  }
  const total = sum(estimates.map(({ seconds }) => seconds));
  // More runs in parallel than the cores can carry save no time.
  const carried = Math.max(1, availableCores() / (options.threads ?? defaultThreads()));
  return { entries: estimates, seconds: (total * seeds) / Math.min(parallel, carried, runs.length * seeds) };
}

/**
 * Estimates one run, as `estimate` does. Sources that are fine-tuned first are not in it. `images`: the number of training
 * images.
 */
export async function estimateRun(
  method: MethodName,
  options: Entry['options'],
  { images, ...facts }: Pick<Estimated, 'classes' | 'sources'> & { readonly images: number },
  signal: AbortSignal | undefined,
): Promise<EntryEstimate> {
  const entries = [{ label: method, method, useless: [], options }];
  const alone = { threads: options.threads, seeds: 1, parallel: 1 };
  const { entries: timed } = await estimate({ ...facts, images: [images], entries, options: alone }, { signal });
  return timed.at(-1) as EntryEstimate;
}

interface EstimatedRow extends PlannedRow {
  readonly spec: RunSpec;
  readonly images: number;
}

const titleOf = ({ label, perClass }: RowTitle): RowTitle => ({ label, ...(perClass && { perClass }) });

/** Returns the fine-tunings that the rows need first, each once. */
function sourcesOf(rows: readonly EstimatedRow[]): EstimatedRow[] {
  const all = rows.flatMap(({ images, ...row }) =>
    finetunings(row).map(({ spec, ...title }): EstimatedRow => {
      const { device, threads } = row.spec;
      return { ...titleOf(title), images, spec: begin(spec, { images, device, threads, sources: [] }) };
    }),
  );
  return [...new Map(all.map((row) => [`${row.label} ${row.perClass}`, row])).values()];
}

/** Returns the spec of a run to time. Without given files, as in a dry run, names stand for them: none is opened. */
function specOf({ method, options }: Entry, images: number, sources: Estimated['sources']): RunSpec {
  const needs = needsOf(method);
  // A method that matches no features learns from the first source only.
  const used = needs.source ? sources.slice(0, needs.pairs ? undefined : 1) : [];
  const draft = read({
    ...options,
    data: options.data ?? 'data',
    ...(needs.source && { source: options.source ?? used.map((_, k) => `source ${k}`) }),
    ...(needs.start && { targetInit: options.targetInit ?? 'source 0' }),
  });
  return begin(draft, {
    images,
    device: addon().device(options.device ?? 'auto').device,
    threads: defaultThreads(),
    sources: used.map((source, k) => {
      const {
        network = source.network,
        width = 1,
        size = defaultSize(network as NetworkName),
      } = draft.sources[k] ?? {};
      return { network, width, size, ...(source.onnx && { onnx: onnxFacts(source.onnx) }) };
    }),
  });
}

function timedRun(spec: RunSpec, images: number, { classes, sources }: Estimated): TimedRun {
  const target = { name: spec.target, classes, width: spec.width };
  return {
    spec: { ...spec, batch: Math.min(spec.batch, images) },
    target,
    sources: spec.sources.map((source, k) => {
      const { size, pairs } = source;
      const known = spec.sourceFinetune === undefined ? (sources[k]?.classes as number) : classes;
      const network = networkOf(source, known);
      const file = sources[k]?.onnx;
      return {
        network,
        size,
        ...(file && { onnx: file }),
        pairs: pairs ? addon().pairs(network, size, target, spec.size, pairs) : [],
      };
    }),
  };
}
