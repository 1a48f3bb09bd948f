import { join } from 'node:path';
import type { Entry } from './entries.js';
import { L2TError } from './errors.js';
import { writeFileAtomic } from './files.js';
import { countParameters } from './networks.js';
import type { MethodName } from './options.js';
import type { RunResult } from './run.js';
import { deviation, mean, percentOf } from './statistics.js';

/** What one method gave, over its seeds. */
export interface ExperimentRow {
  /** The method, with its pairs where they were named: fm:all-to-all. */
  readonly label: string;
  readonly method: MethodName;
  /** N, training images a class, where rows differ in it. */
  readonly perClass?: number;
  /** On the test images, in [0, 1], one a seed. */
  readonly accuracies: readonly number[];
  readonly mean: number;
  /** The sample's standard deviation; absent of one seed. */
  readonly deviation?: number;
  /** On the validation images, one a seed; absent where there are none. */
  readonly validation?: readonly number[];
  /** Trained numbers of the target as it is used afterwards: without branches and meta-networks. */
  readonly parameters: number;
  /** Milliseconds of a training step: `seconds` by the steps that they were for, validation included. */
  readonly msPerStep: number;
  /** Training and validation of one run, mean. */
  readonly seconds: number;
  readonly runs: readonly string[];
}

/** @throws L2TError INVALID_DATA where there were no test images. */
export function rowOf({ label, method, perClass }: Entry, results: readonly RunResult[]): ExperimentRow {
  const accuracies = results.map(({ accuracy, run: folder }) => {
    if (accuracy !== null) return accuracy;
    throw new L2TError('INVALID_DATA', `A comparison is of test images, and the data of ${folder} has none.`);
  });
  const validation = results.map(({ best }) => best.accuracy).filter((accuracy) => accuracy !== null);
  const spread = deviation(accuracies);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const seconds = sum(results.map((result) => result.seconds));
  return {
    ...{ label, method, ...(perClass !== undefined && { perClass }), accuracies, mean: mean(accuracies) },
    ...(spread !== undefined && { deviation: spread }),
    ...(validation.length === results.length && { validation }),
    parameters: countParameters((results[0] as RunResult).network.network),
    msPerStep: (1000 * seconds) / sum(results.map(({ steps }) => steps)),
    seconds: seconds / results.length,
    runs: results.map(({ run: folder }) => folder),
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
      percentOf(accuracies),
      accuracies.map((accuracy) => (100 * accuracy).toFixed(1)).join(', '),
      validation === undefined ? '' : percentOf(validation),
      parameters.toLocaleString('en'),
      `${msPerStep.toFixed(1)} ms`,
      `${seconds.toFixed(0)} s`,
    ]),
  };
}

function curveTable(rows: readonly ExperimentRow[], counts: readonly number[]): { head: string[]; rows: string[][] } {
  const labels = [...new Set(rows.map(({ label }) => label))];
  return {
    head: ['test accuracy, %', ...counts.map((count) => `${count} a class`), 'parameters', 'time a step'],
    rows: labels.map((label) => {
      const own = rows.filter((row) => row.label === label);
      // A method that comes later may not have got to every count yet.
      const cells = counts.map((count) => own.find(({ perClass }) => perClass === count));
      return [
        label,
        ...cells.map((row) => (row === undefined ? '' : percentOf(row.accuracies))),
        (own[0] as ExperimentRow).parameters.toLocaleString('en'),
        `${mean(own.map(({ msPerStep }) => msPerStep)).toFixed(1)} ms`,
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

function csvLines(rows: readonly ExperimentRow[]): string[] {
  const seeds = rows[0]?.accuracies.map((_, seed) => `seed ${seed}`) ?? [];
  return [
    ['method', 'images a class', 'mean', 'deviation', 'parameters', 'ms a step', 'seconds', ...seeds].join(','),
    ...rows.map(({ label, perClass, mean: centre, deviation: spread, parameters, msPerStep, seconds, accuracies }) =>
      [`"${label}"`, perClass ?? '', centre, spread ?? '', parameters, msPerStep, seconds, ...accuracies].join(','),
    ),
  ];
}
