import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { differences } from '../options/spec.js';
import { type RunData, readRunData, readStatus, recordName, totalOf } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { printable } from '../system/printable.js';
import { type Experiment, type PlannedRun, titleOf } from './plan.js';
import { finetuningOf, type RunOutcome, requireTested } from './row.js';

/** A run without a result. */
export interface UnfinishedRun {
  /** Its folder. */
  readonly run: string;
  /** The method as it was listed, and the images a class if rows differ in them. */
  readonly title: string;
  /** Its seed. */
  readonly seed: number;
  /** Its state. */
  readonly state: 'not begun' | 'running' | 'interrupted' | 'failed';
  /** The number of epochs done, the process that works on it, or the reason why it failed. */
  readonly why: string;
}

/** The state of a run, as its folder shows it. */
export interface RunState {
  readonly planned: PlannedRun;
  /** `missing` if it is unfinished. */
  readonly outcome: RunOutcome;
  readonly unfinished?: UnfinishedRun;
  /** An error that says why it is not a run of the experiment. */
  readonly foreign?: L2TError;
}

/** Returns a line for each run that the table lacks. */
export const unfinishedLines = (unfinished: readonly UnfinishedRun[]): string[] =>
  unfinished.map(({ title, seed, state, why }) => printable(`${title}, seed ${seed}: ${state}${why && `, ${why}`}`));

/** Returns a run without a result, as the table shows it. */
export const lacking = (planned: PlannedRun, state: UnfinishedRun['state'], why = ''): RunState => ({
  planned,
  outcome: { run: planned.folder, ended: 'missing' },
  unfinished: {
    run: planned.folder,
    title: titleOf(planned.row),
    seed: planned.seed,
    state,
    why: why.split('\n')[0] as string,
  },
});

/**
 * Looks into the folders of an experiment's runs. It writes nothing there, so they may be in progress.
 * @throws L2TError FILE_ACCESS.
 */
export async function runStates(
  experiment: Experiment,
  runs: readonly PlannedRun[],
  onWarning: ((message: string) => void) | undefined,
): Promise<RunState[]> {
  const finder = new Finder(experiment, onWarning);
  const states: RunState[] = [];
  for (const run of runs) states.push(await finder.stateOf(run));
  return states;
}

class Finder {
  /** Hashes of the images, and of their division, by the options that decide them; each with the first run of it. */
  readonly #images = new Map<string, { readonly hash: string; readonly run: string }>();

  constructor(
    private readonly experiment: Experiment,
    private readonly onWarning: ((message: string) => void) | undefined,
  ) {}

  async stateOf(planned: PlannedRun): Promise<RunState> {
    const { row, seed, folder: run } = planned;
    try {
      const status = await readStatus(run);
      const begun = existsSync(join(run, recordName)) ? await readRunData(run) : undefined;
      const foreign = begun && this.#foreign(begun, planned);
      if (foreign) return { ...lacking(planned, 'failed', `${foreign.code}: ${foreign.message}`), foreign };
      if (begun?.result) return { planned, outcome: finished(run, begun) };
      const far = begun && `${begun.metrics.length} of ${begun.record.spec.epochs} epochs done`;
      if (status.state === 'running') {
        return lacking(planned, 'running', `${far ?? 'nothing saved yet'}, by ${status.holder}`);
      }
      if (status.state === 'failed') {
        const { code, message } = status.failure;
        if (code !== 'DIVERGED') return lacking(planned, 'failed', `${code}: ${message}`);
        this.onWarning?.(`${titleOf(row)}, seed ${seed} (${run}): ${message}`);
        return { planned, outcome: { run, ended: 'diverged' } };
      }
      return far === undefined
        ? lacking(planned, 'not begun')
        : lacking(planned, 'interrupted', `${far}: resume the experiment, or run its line again`);
    } catch (error) {
      if (!(error instanceof L2TError)) throw error;
      return lacking(planned, 'failed', `${error.code}: ${error.message}`);
    }
  }

  /** Returns an error if the run's options, sources or images are not those of the plan. */
  #foreign({ folder, record }: RunData, { row, seed }: PlannedRun): L2TError | undefined {
    const planned = { ...row.spec, seed };
    const flags = differences(record.spec, planned, { ignorePaths: true }).map((name) => `{${name}}`);
    const hashes = Object.values(this.experiment.sources);
    const { size, sources } = record.spec;
    const { split, data, sources: weights, targetInit } = record.found;
    const division = `division ${row.perClass} ${seed}`;
    // Small images are hashed at the size at which they are kept.
    const images = `images ${row.perClass} ${seed} ${size} ${Math.max(size, ...sources.map((source) => source.size))}`;
    const other = this.#otherWith(division, split, folder) ?? this.#otherWith(images, data, folder);
    const problems = [
      ...(flags.length > 0 ? [`its options are not the plan's (${flags.join(', ')})`] : []),
      ...([...weights, ...(targetInit ? [targetInit] : [])].every((hash) => hashes.includes(hash))
        ? []
        : ['its source, or the network that it starts from, has changed since the experiment was planned']),
      ...(other === undefined ? [] : [`its images are not those of ${other}: the data has changed between them`]),
    ];
    return problems.length === 0
      ? undefined
      : invalidRun(`${problems[0]}: remove ${folder}, so that it is trained again.`);
  }

  /** Returns the first run with this key, if its hash is another one. */
  #otherWith(key: string, hash: string, run: string): string | undefined {
    const first = this.#images.get(key) ?? { hash, run };
    this.#images.set(key, first);
    return first.hash === hash ? undefined : first.run;
  }
}

function finished(run: string, { record, rates, sources, timing, result }: RunData): RunOutcome {
  const { accuracy, best } = result as NonNullable<RunData['result']>;
  const { lr, target, width, size } = record.spec;
  return {
    ended: 'finished',
    run,
    accuracy: requireTested(run, accuracy),
    best,
    lr: lr === 'auto' ? (rates?.lr?.lr ?? Number.NaN) : lr,
    ...totalOf(timing),
    finetuning: finetuningOf(sources),
    network: { name: target, classes: record.found.classNames.length, width },
    size,
  };
}
