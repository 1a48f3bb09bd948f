import { existsSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import * as z from 'zod';
import type { Division } from '../data/dataset.js';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import { withPaths } from '../options/arguments.js';
import { checkOptions } from '../options/check.js';
import { collectCommand, commandInLine, flagWords, planCommand } from '../options/command.js';
import { transferSchema } from '../options/schemas.js';
import { finetuneOptions, givenOf, read, type SpecDraft } from '../options/spec.js';
import { parseYaml } from '../options/yaml.js';
import { planName } from '../store/new-folder.js';
import { sourceFolder } from '../store/run-data.js';
import { invalidRun } from '../system/failures.js';
import { readText, writeFileAtomic } from '../system/files.js';

/** The fields that tell a row of the table from the others. */
export interface RowTitle {
  /** The method as it was listed, with its pairs if they were given: fm:all-to-all. */
  readonly label: string;
  /** N, training images a class, if rows differ in it. */
  readonly perClass?: number | undefined;
}

/** A row of the table: a method, which runs with every seed. */
export interface PlannedRow extends RowTitle {
  /** The options of its runs, but for the seed. */
  readonly spec: SpecDraft;
}

const planSchema = z.strictObject({
  verb: z.enum(['compare', 'curve']),
  /** SHA-256 of the data set (fingerprint.ts), and of each source's weights, by path. */
  fingerprint: z.string(),
  sources: z.record(z.string(), z.string()),
  /** Each row runs with the seeds 0, 1, … below this. */
  seeds: z.int().min(1),
  /** True if a report of the whole is made. */
  report: z.boolean(),
  /** Runs side by side; absent: as many as there is room for. */
  parallel: z.int().min(1).optional(),
  /** The networks of `with`: tested and timed beside the methods, not trained. */
  with: z
    .array(
      z.strictObject({
        label: z.string(),
        path: z.string(),
        /** Hash of its content, as for the sources. */
        hash: z.string(),
        /** Accuracy on the test images, in [0, 1]. */
        accuracy: z.number(),
        /** Null for an ONNX file, whose parameters are not counted. */
        parameters: z.int().nullable(),
      }),
    )
    .default([]),
  /** The options that all rows have. */
  options: z.record(z.string(), z.unknown()),
  rows: z
    .array(
      z.strictObject({
        label: z.string(),
        perClass: z.int().optional(),
        options: z.record(z.string(), z.unknown()),
      }),
    )
    .min(1),
});

/** An experiment: its runs, and everything that they share. plan.yaml holds it, and never changes. */
export interface Experiment extends Readonly<Omit<z.output<typeof planSchema>, 'options' | 'rows'>> {
  readonly rows: readonly PlannedRow[];
}

/** A network beside the methods. */
export type OtherNetwork = Experiment['with'][number];

/** A run of an experiment. */
export interface PlannedRun {
  readonly row: PlannedRow;
  readonly seed: number;
  /** Its folder, absolute. */
  readonly folder: string;
}

export const runsName = 'runs.txt';
export const arrayName = 'array.sbatch';
export const splitName = 'split.json';

/** Returns the row's name in messages: `fm, 50 a class`. */
export const titleOf = ({ label, perClass }: RowTitle): string =>
  perClass === undefined ? label : `${label}, ${perClass} a class`;

/** Returns the runs of an experiment in `out`, by row, then by seed. */
export const runsOf = ({ rows, seeds }: Pick<Experiment, 'rows' | 'seeds'>, out: string): PlannedRun[] =>
  rows.flatMap((row) => [...Array(seeds).keys()].map((seed) => ({ row, seed, folder: join(out, nameOf(row, seed)) })));

/** Returns the fine-tunings that a row's runs need first, one for each source; none without `sourceFinetune`. */
export const finetunings = ({ perClass, spec }: PlannedRow): PlannedRow[] =>
  spec.sourceFinetune === undefined
    ? []
    : spec.sources.map((_, k) => ({
        label: `fine-tuning source ${k + 1}`,
        perClass,
        spec: read(finetuneOptions(spec, k)),
      }));

/** Returns the fine-tunings that these runs need first. Runs with equal images and seed share one. */
export function sourceRunsOf(runs: readonly PlannedRun[]): PlannedRun[] {
  const all = runs.flatMap(({ row: needing, seed, folder: run }) =>
    finetunings(needing).map((row, k) => ({ row, seed, folder: sourceFolder(run, { ...needing.spec, seed }, k) })),
  );
  return [...new Map(all.map((each) => [each.folder, each])).values()];
}

function nameOf({ label, perClass }: PlannedRow, seed: number): string {
  const parts = [label.replaceAll(/[^\w+-]/g, '_'), ...(perClass === undefined ? [] : [perClass]), seed];
  return parts.join('-');
}

/** Returns the options of `transfer` that train a run. */
export const optionsOf = ({ row, seed, folder }: PlannedRun) => ({
  ...givenOf(row.spec, { complete: true }),
  seed,
  out: folder,
});

/**
 * Writes the files of an experiment: plan.yaml, runs.txt (its runs as commands, one a line, for any scheduler, those
 * that fine-tune sources first), array.sbatch, and split.json if a split file was given. Paths below the folder are
 * written relative to it, so that it may be moved. Returns the lines and the names of the files.
 * @throws L2TError INVALID_OPTION if a path holds a line break; FILE_ACCESS.
 */
export async function writePlan(
  out: string,
  experiment: Experiment,
  division: Division | undefined,
): Promise<{ readonly runs: readonly string[]; readonly files: readonly string[] }> {
  const planned = runsOf(experiment, out);
  const runs = [...sourceRunsOf(planned), ...planned].map((run) => lineOf(run, out));
  const files = new Map([
    ...(division ? [[splitName, formatSplit(division)] as const] : []),
    [runsName, runs.map((line) => `${line}\n`).join('')],
    [arrayName, arrayOf(experiment, runs.length)],
    // The plan comes last, so that a folder with it is complete.
    [planName, formatPlan(experiment, out)],
  ]);
  for (const [name, text] of files) await writeFileAtomic(join(out, name), text);
  return { runs, files: [...files.keys()] };
}

/** Returns the command of one run. */
function lineOf({ row, seed, folder }: PlannedRun, out: string): string {
  const options = { ...givenOf(row.spec, { complete: false }), seed, out: folder };
  const words = flagWords(transferSchema, withPaths(transferSchema, options, fromFolder(out)));
  return commandInLine('transfer', ['--resume-or-start', ...words]);
}

/** Returns a path below the folder relative to it, any other unchanged. */
const fromFolder =
  (out: string) =>
  (path: string): string => {
    const below = relative(resolve(out), resolve(path));
    if (below === '..' || below.startsWith('../') || isAbsolute(below)) return path;
    return below === '' ? '.' : below;
  };

/** Returns the script of a SLURM array with a task for each line. */
function arrayOf({ verb, rows }: Experiment, runs: number): string {
  const { device, threads } = (rows[0] as PlannedRow).spec;
  const gpu = device?.startsWith('cuda') ? ['#SBATCH --gpus=1'] : [];
  // With --threads in the lines, OMP_NUM_THREADS has no effect.
  const cores = threads === undefined ? [`export OMP_NUM_THREADS="\${SLURM_CPUS_PER_TASK:-1}"`] : [];
  return [
    '#!/bin/bash',
    `# A task for each line of ${runsName}. In this folder: sbatch ${arrayName}`,
    '# Options of sbatch go over those below: sbatch --array 1-3%2 --mem 8G …',
    '# Submitted again, it continues runs that were interrupted, and leaves finished ones alone.',
    `#SBATCH --job-name=l2t-${verb}`,
    `#SBATCH --array=1-${runs}`,
    '#SBATCH --ntasks=1',
    `#SBATCH --cpus-per-task=${threads ?? 1}`,
    ...gpu,
    '#SBATCH --output=%x-%a.log',
    '#SBATCH --open-mode=append',
    '#SBATCH --requeue',
    '# A minute before the time is over, the run saves everything and ends.',
    '#SBATCH --signal=B:TERM@60',
    '',
    'set -eu',
    ...cores,
    `line=$(sed -n "\${SLURM_ARRAY_TASK_ID}p" ${runsName})`,
    `: "\${line:?${runsName} has no line \${SLURM_ARRAY_TASK_ID}}"`,
    '# exec: signals reach the run itself.',
    'eval "exec $line"',
    '',
  ].join('\n');
}

function formatPlan({ verb, rows, sources, with: beside, ...experiment }: Experiment, out: string): string {
  const located = fromFolder(out);
  const options = rows.map(({ spec }) =>
    Object.entries(withPaths(transferSchema, givenOf(spec, { complete: true }), located)),
  );
  const key = ([name, value]: [string, unknown]) => JSON.stringify([name, value]);
  const [first = [], ...others] = options.map((entries) => new Map(entries.map((entry) => [key(entry), entry])));
  const shared = [...first].filter(([each]) => others.every((entries) => entries.has(each))).map(([, entry]) => entry);
  const sharedKeys = new Set(shared.map(key));
  const text = stringify({
    verb,
    ...experiment,
    sources: Object.fromEntries(Object.entries(sources).map(([path, hash]) => [located(path), hash])),
    with: beside.map((each) => ({ ...each, path: located(each.path) })),
    options: Object.fromEntries(shared),
    rows: rows.map(({ label, perClass }, k) => ({
      label,
      perClass,
      options: Object.fromEntries((options[k] ?? []).filter((entry) => !sharedKeys.has(key(entry)))),
    })),
  });
  return `# The plan of an experiment. Its runs are the lines of ${runsName}; ${collectCommand(verb, '.')} makes the table.\n${text}`;
}

/** @throws L2TError INVALID_RUN, FILE_ACCESS. */
export async function readPlan(folder: string): Promise<Experiment> {
  const file = join(folder, planName);
  if (!existsSync(file)) {
    const problem = `holds no experiment: there is no ${file}. Plan one with ${planCommand('compare', folder)}`;
    throw invalidRun(`${folder} ${problem}.`);
  }
  const text = await readText(file);
  try {
    const { sources, options, rows, with: others, ...plan } = planSchema.parse(parseYaml(text));
    const located = (path: string) => resolve(folder, path);
    return {
      ...plan,
      sources: Object.fromEntries(Object.entries(sources).map(([path, hash]) => [located(path), hash])),
      with: others.map((each) => ({ ...each, path: located(each.path) })),
      rows: rows.map(({ label, perClass, options: rowOptions }) => {
        const checked = checkOptions(transferSchema, { ...options, ...rowOptions }, (key) => `${label}: ${key}`);
        return { label, perClass, spec: read(withPaths(transferSchema, checked, located)) };
      }),
    };
  } catch (cause) {
    const why = cause instanceof L2TError ? ` (${cause.message.replace(/\.$/, '')})` : '';
    throw invalidRun(`${file} is damaged${why}: plan the experiment again in another folder.`, cause);
  }
}
