import { join } from 'node:path';
import type { Entry } from './entries.js';
import { L2TError } from './errors.js';
import { writeFileAtomic } from './files.js';
import { countParameters } from './networks.js';
import type { MethodName } from './options.js';
import type { RunResult } from './run.js';
import { deviation, mean, percentOf } from './statistics.js';

/** What is kept of a run: not its weights, since there may be many runs. */
export type RunOutcome =
  | { readonly run: string; readonly diverged: true }
  | (Pick<RunResult, 'run' | 'best' | 'seconds' | 'steps'> & {
      readonly diverged: false;
      readonly accuracy: number;
      readonly parameters: number;
    });
type Finished = Extract<RunOutcome, { readonly diverged: false }>;

/** @throws L2TError INVALID_DATA where there were no test images. */
export function outcomeOf({ run, accuracy, best, seconds, steps, network }: RunResult): RunOutcome {
  if (accuracy === null) {
    throw new L2TError('INVALID_DATA', `A comparison is of test images, and the data of ${run} has none.`);
  }
  return { ...{ run, accuracy, best, seconds, steps }, parameters: countParameters(network.network), diverged: false };
}

/** What one method gave, over its seeds. */
export interface ExperimentRow {
  /** The method, with its pairs where they were named: fm:all-to-all. */
  readonly label: string;
  readonly method: MethodName;
  /** N, training images a class, where rows differ in it. */
  readonly perClass?: number;
  /** On the test images, in [0, 1], one a seed; null of a run that diverged. */
  readonly accuracies: readonly (number | null)[];
  /** Of the runs that did not diverge, as are the other numbers; null where all did. */
  readonly mean: number | null;
  /** The sample's standard deviation; absent of fewer than two. */
  readonly deviation?: number;
  /** On the validation images, one a run; absent where there are none. */
  readonly validation?: readonly number[];
  /** Trained numbers of the target as it is used afterwards: without branches and meta-networks. */
  readonly parameters: number | null;
  /** Milliseconds of a training step: `seconds` by the steps that they were for, validation included. */
  readonly msPerStep: number | null;
  /** Training and validation of one run, mean. */
  readonly seconds: number | null;
  readonly runs: readonly string[];
}

export function rowOf({ label, method, perClass }: Entry, outcomes: readonly RunOutcome[]): ExperimentRow {
  const finished = outcomes.filter((outcome): outcome is Finished => !outcome.diverged);
  const accuracies = finished.map(({ accuracy }) => accuracy);
  const validation = finished.map(({ best }) => best.accuracy).filter((accuracy) => accuracy !== null);
  const spread = deviation(accuracies);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const [seconds, steps] = [sum(finished.map((run) => run.seconds)), sum(finished.map((run) => run.steps))];
  const any = finished.length > 0;
  return {
    ...{ label, method, ...(perClass !== undefined && { perClass }) },
    accuracies: outcomes.map((outcome) => (outcome.diverged ? null : outcome.accuracy)),
    mean: any ? mean(accuracies) : null,
    ...(spread !== undefined && { deviation: spread }),
    ...(any && validation.length === finished.length && { validation }),
    parameters: finished[0]?.parameters ?? null,
    msPerStep: steps > 0 ? (1000 * seconds) / steps : null,
    seconds: any ? seconds / finished.length : null,
    runs: outcomes.map(({ run }) => run),
  };
}

/** Header and rows of the table, as text. Where rows differ in images a class, these are the columns. */
export function experimentTable(rows: readonly ExperimentRow[]): { head: string[]; rows: string[][] } {
  const counts = [...new Set(rows.flatMap(({ perClass }) => perClass ?? []))];
  return counts.length === 0 ? methodsTable(rows) : curveTable(rows, counts);
}

function methodsTable(rows: readonly ExperimentRow[]): { head: string[]; rows: string[][] } {
  return {
    head: ['method', 'test accuracy, %', 'each seed', 'validation, %', 'parameters', 'time a step', 'time a run'],
    rows: rows.map(({ label, accuracies, validation, parameters, msPerStep, seconds }) => [
      label,
      accuracyOf(accuracies),
      accuracies.map((accuracy) => (accuracy === null ? 'diverged' : (100 * accuracy).toFixed(1))).join(', '),
      validation === undefined ? '' : percentOf(validation),
      parameters?.toLocaleString('en') ?? '',
      milliseconds(msPerStep),
      seconds === null ? '' : `${seconds.toFixed(0)} s`,
    ]),
  };
}

/** Of the runs that did not diverge, and how many did. */
function accuracyOf(accuracies: ExperimentRow['accuracies']): string {
  const finished = accuracies.filter((accuracy) => accuracy !== null);
  const diverged = accuracies.length - finished.length;
  if (diverged === 0) return percentOf(finished);
  return finished.length === 0 ? 'diverged' : `${percentOf(finished)} (${diverged} diverged)`;
}

const milliseconds = (time: number | null): string => (time === null ? '' : `${time.toFixed(1)} ms`);

function curveTable(rows: readonly ExperimentRow[], counts: readonly number[]): { head: string[]; rows: string[][] } {
  const labels = [...new Set(rows.map(({ label }) => label))];
  return {
    head: ['test accuracy, %', ...counts.map((count) => `${count} a class`), 'parameters', 'time a step'],
    rows: labels.map((label) => {
      const own = rows.filter((row) => row.label === label);
      const times = own.flatMap(({ msPerStep }) => msPerStep ?? []);
      // A method that comes later may not have got to every count yet.
      const cells = counts.map((count) => own.find(({ perClass }) => perClass === count));
      return [
        label,
        ...cells.map((row) => (row === undefined ? '' : accuracyOf(row.accuracies))),
        own.find(({ parameters }) => parameters !== null)?.parameters?.toLocaleString('en') ?? '',
        milliseconds(times.length > 0 ? mean(times) : null),
      ];
    }),
  };
}

/** Writes comparison.md, .csv and .json; the last two have a line or an entry for every row. */
export async function saveTable(out: string, rows: readonly ExperimentRow[]): Promise<void> {
  const { head, rows: cells } = experimentTable(rows);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const markdown = [line(head), `|${'---|'.repeat(head.length)}`, ...cells.map(line)].join('\n');
  await writeFileAtomic(join(out, 'comparison.json'), `${JSON.stringify(rows, null, 2)}\n`);
  await writeFileAtomic(join(out, 'comparison.md'), `${markdown}\n`);
  await writeFileAtomic(join(out, 'comparison.csv'), `${csvLines(rows).join('\n')}\n`);
}

/** A row that is not through yet has fewer seeds than others. */
function csvLines(rows: readonly ExperimentRow[]): string[] {
  const seeds = Math.max(0, ...rows.map(({ accuracies }) => accuracies.length));
  const columns = ['method', 'images a class', 'mean', 'deviation', 'parameters', 'ms a step', 'seconds'];
  return [
    [...columns, ...Array.from({ length: seeds }, (_, seed) => `seed ${seed}`)].join(','),
    ...rows.map(({ label, perClass, mean: centre, deviation: spread, parameters, msPerStep, seconds, accuracies }) => {
      const each = Array.from({ length: seeds }, (_, seed) => accuracies[seed]);
      return [
        `"${label}"`,
        ...[perClass, centre, spread, parameters, msPerStep, seconds, ...each].map((cell) => cell ?? ''),
      ].join(',');
    }),
  ];
}
