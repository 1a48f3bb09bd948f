import { join } from 'node:path';
import { writeFileAtomic } from '../system/files.js';
import { type CsvValue, csvLine } from '../system/printable.js';
import { deviation, mean, percentOf } from '../system/statistics.js';
import { conclusionsOf } from './conclusions.js';
import { type ExperimentRow, isFixed } from './row.js';

/** A column of the printed table, and the CSV's columns for it. */
interface Column {
  /** Its head in the printed table, if it is there; else only the CSV has it. */
  readonly head?: string;
  /** True if it depends on the images a class: a curve's table, which has one line for each method, leaves it out. */
  readonly ofCount?: true;
  /** `rows`: the rows of one method, one for each number of images a class. */
  cell?(rows: readonly ExperimentRow[]): string;
  /** Plain values by name. */
  readonly csv: Readonly<Record<string, (row: ExperimentRow) => CsvValue>>;
}

/** `seeds`: the largest number of seeds of a row; an unfinished row has fewer. */
const columnsOf = (seeds: number): readonly Column[] => [
  { head: 'method', cell: ([row]) => row?.label ?? '', csv: { method: ({ label }) => label } },
  // In the printed table each number of images a class is a column, if rows differ in it.
  { csv: { 'images a class': ({ perClass }) => perClass } },
  {
    head: 'test accuracy, %',
    ofCount: true,
    cell: ([row]) => accuracyOf(row),
    csv: { mean: (row) => row.mean, deviation: (row) => row.deviation },
  },
  {
    head: 'each seed',
    ofCount: true,
    cell: ([row]) => (row && !isFixed(row) ? row.accuracies.map((_, seed) => percentOrWhy(row, seed)).join(', ') : ''),
    csv: Object.fromEntries(
      Array.from({ length: seeds }, (_, seed) => [`seed ${seed}`, ({ accuracies }) => accuracies[seed]]),
    ),
  },
  {
    head: 'validation, %',
    ofCount: true,
    cell: ([row]) => (row?.validation ? percentOf(row.validation) : ''),
    csv: {
      'validation mean': ({ validation }) => validation && mean(validation),
      'validation deviation': ({ validation }) => validation && deviation(validation),
    },
  },
  {
    head: 'learning rate',
    cell: (rows) => rangeOf(rows.flatMap(({ learningRates }) => learningRates)),
    csv: {
      'lowest learning rate': ({ learningRates }) => extremes(learningRates)?.[0],
      'highest learning rate': ({ learningRates }) => extremes(learningRates)?.[1],
    },
  },
  {
    head: 'parameters',
    cell: (rows) => firstOf(rows, 'parameters')?.toLocaleString('en') ?? '',
    csv: { parameters: ({ parameters }) => parameters },
  },
  {
    head: 'time a step',
    cell: (rows) => withUnit(meanStep(rows)?.toFixed(1), 'ms'),
    csv: { 'ms a step': ({ msPerStep }) => msPerStep },
  },
  {
    head: 'time a run',
    ofCount: true,
    cell: ([row]) => withUnit(row?.seconds?.toFixed(0), 's'),
    csv: { 'seconds a run': ({ seconds }) => seconds },
  },
  {
    head: 'fine-tuning the source, shared',
    cell: (rows) =>
      withUnit(rangeOf(rows.flatMap(({ finetuning = [] }) => finetuning).map(Math.round)) || undefined, 's'),
    csv: { 'seconds of fine-tuning the source': ({ finetuning }) => finetuning },
  },
  ...([1, 32] as const).map((batch) => ({
    head: `an image, batch ${batch}`,
    cell: (rows: readonly ExperimentRow[]) =>
      withUnit(threeDigits(firstOf(rows, 'inference')?.[`batch${batch}`]), 'ms'),
    csv: { [`ms an image at batch ${batch}`]: ({ inference }: ExperimentRow) => inference?.[`batch${batch}`] },
  })),
];

function percentOrWhy({ accuracies, missing }: ExperimentRow, seed: number): string {
  const accuracy = accuracies[seed] ?? null;
  if (accuracy !== null) return (100 * accuracy).toFixed(1);
  return missing?.includes(seed) ? 'missing' : 'diverged';
}

/** Returns the accuracy of the runs that finished, and how many diverged or are missing. */
function accuracyOf(row: ExperimentRow | undefined): string {
  // A later method may not have a run with every number of images yet.
  if (row === undefined) return '';
  if (isFixed(row)) return percentOf([row.mean as number]);
  const finished = row.accuracies.filter((accuracy) => accuracy !== null);
  const missing = row.missing?.length ?? 0;
  const diverged = row.accuracies.length - finished.length - missing;
  const others = [
    ...(diverged > 0 ? [`${diverged} diverged`] : []),
    ...(missing > 0 ? [`${missing} missing`] : []),
  ].join(', ');
  if (others === '') return percentOf(finished);
  if (finished.length > 0) return `${percentOf(finished)} (${others})`;
  return missing === 0 ? 'diverged' : diverged === 0 ? 'missing' : others;
}

function extremes(values: readonly number[]): [lowest: number, highest: number] | undefined {
  return values.length === 0 ? undefined : [Math.min(...values), Math.max(...values)];
}

/** Returns the range of the values; one number if they do not differ. */
function rangeOf(values: readonly number[]): string {
  const ends = (extremes(values) ?? []).map((value) => String(Number(value.toPrecision(3))));
  return [...new Set(ends)].join('–');
}

/** Returns the value of the first row that has it: a row whose runs all diverged has none. */
const firstOf = <Key extends 'parameters' | 'inference'>(rows: readonly ExperimentRow[], key: Key) =>
  rows.find((row) => row[key] !== null)?.[key];

function meanStep(rows: readonly ExperimentRow[]): number | undefined {
  const times = rows.flatMap(({ msPerStep }) => msPerStep ?? []);
  return times.length > 0 ? mean(times) : undefined;
}

const threeDigits = (value: number | undefined): string | undefined =>
  value === undefined || value >= 100 ? value?.toFixed(0) : value.toPrecision(3);

const withUnit = (value: string | undefined, unit: string): string => (value === undefined ? '' : `${value} ${unit}`);

/**
 * Returns header and rows of the printed table, without columns that no row fills. If rows differ in images a class,
 * each number is a column, before the others.
 */
export function experimentTable(rows: readonly ExperimentRow[]): { head: string[]; rows: string[][] } {
  const columns = columnsOf(0).flatMap(({ head, cell, ofCount }) => {
    const filled = head && cell && rows.some((row) => cell([row]) !== '');
    return filled ? [{ head, cell, ofCount }] : [];
  });
  const counts = [...new Set(rows.flatMap(({ perClass }) => perClass ?? []))];
  if (counts.length === 0) {
    return { head: columns.map(({ head }) => head), rows: rows.map((row) => columns.map(({ cell }) => cell([row]))) };
  }
  const [, ...others] = columns.filter(({ ofCount }) => !ofCount);
  const labels = [...new Set(rows.map(({ label }) => label))];
  return {
    head: ['test accuracy, %', ...counts.map((count) => `${count} a class`), ...others.map(({ head }) => head)],
    rows: labels.map((label) => {
      const cells = rows.filter((row) => row.label === label);
      const accuracies = counts.map((count) => accuracyOf(cells.find(({ perClass }) => perClass === count)));
      return [label, ...accuracies, ...others.map(({ cell }) => cell(cells))];
    }),
  };
}

/**
 * Writes comparison.md, .csv and .json; the last two have a line or an entry for every row. `notes`: paragraphs below
 * the table.
 */
export async function saveTable(
  out: string,
  rows: readonly ExperimentRow[],
  notes: readonly string[] = [],
): Promise<void> {
  await writeFileAtomic(join(out, 'comparison.json'), `${JSON.stringify(rows, null, 2)}\n`);
  await writeFileAtomic(join(out, 'comparison.md'), `${[markdown(rows), ...notes].join('\n\n')}\n`);
  await writeFileAtomic(join(out, 'comparison.csv'), csvLines(rows));
}

function markdown(rows: readonly ExperimentRow[]): string {
  const { head, rows: cells } = experimentTable(rows);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const table = [line(head), `|${'---|'.repeat(head.length)}`, ...cells.map(line)].join('\n');
  return [table, ...conclusionsOf(rows)].join('\n\n');
}

function csvLines(rows: readonly ExperimentRow[]): string[] {
  const columns = columnsOf(Math.max(0, ...rows.map(({ accuracies }) => accuracies.length)));
  const values = columns.flatMap(({ csv }) => Object.entries(csv));
  return [csvLine(values.map(([name]) => name)), ...rows.map((row) => csvLine(values.map(([, value]) => value(row))))];
}
