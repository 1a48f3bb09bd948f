import { existsSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import * as z from 'zod';
import { formatSplit } from '../data/split-file.js';
import { L2TError } from '../errors.js';
import { aListingListener, aMessageListener, aSignal, requirePath } from '../options/arguments.js';
import { checkOptions, defaultOf } from '../options/check.js';
import { collectCommand, commandInLine, flagWords, planCommand, resumeCommand } from '../options/command.js';
import { requireComputable } from '../options/consistent.js';
import { compareSchema, transferSchema } from '../options/schemas.js';
import { parseYaml } from '../options/yaml.js';
import { makeFolder, readText, writeFileAtomic } from '../system/files.js';
import { type Entry, type ExperimentOptions, folderName, mapPaths } from './entries.js';
import { alone, type ExperimentControl, holdsExperiment, splitName } from './experiment.js';
import { type Checking, type ExperimentKind, planName, prepare, runsName } from './prepare.js';

/** An experiment that was planned: its files are written, and nothing has run. */
export interface Plan {
  /** The folder. */
  readonly out: string;
  /** The commands, one a run, to be run in that folder, in any order and anywhere. */
  readonly runs: readonly string[];
  /** The files in the folder: experiment.yaml, runs.txt, array.sbatch, and split.json if a split file was given. */
  readonly files: readonly string[];
}

/** Options of a plan that only the API has. */
export type PlanControl = Pick<ExperimentControl, 'signal' | 'onWarning' | 'onListed'>;
export const planControls = { signal: aSignal, onWarning: aMessageListener, onListed: aListingListener };

const arrayName = 'array.sbatch';

/** Options of an experiment in one process. */
const ofOneProcess = ['out', 'parallel', 'live'] as const;

export const requirePlanFolder = (folder: unknown): string => requirePath(folder, 'The folder of the plan');

/**
 * Checks the experiment as if it began, and writes it into `folder` as commands that any scheduler may run. Paths below
 * the folder are written relative to it, so that it may be moved.
 * @throws L2TError as the experiment; INVALID_RUN if the folder holds an experiment already.
 */
export async function planExperiment<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  folder: string,
  { onWarning, ...given }: O & Checking & PlanControl,
): Promise<Plan> {
  const out = requirePlanFolder(folder);
  const refused = ofOneProcess.find((key) => (given as ExperimentOptions)[key] !== undefined);
  if (refused !== undefined) {
    throw new L2TError(
      'INVALID_OPTION',
      `{${refused}} cannot accompany a plan, whose runs begin elsewhere, each in its own folder below ${out}: leave it out.`,
    );
  }
  requireFreeOfRuns(kind.entries(given as unknown as O), given as ExperimentOptions, out);
  const { options, common } = await prepare(kind, given as unknown as O & Checking);
  requireComputableThere(options);
  const { division } = common.dataset;
  const planned = { ...options, ...(division && { splitFile: resolve(out, splitName) }) };
  await makeFolder(out);
  return alone(out, onWarning, async () => {
    const entries = kind.entries(planned);
    requireFreeOfRuns(entries, planned, out);
    const runs = entries.flatMap((entry) => seedsOf(planned).map((seed) => lineOf(entry, seed, out)));
    const files = new Map([
      ...(division ? [[splitName, formatSplit(division)] as const] : []),
      [runsName, runs.map((line) => `${line}\n`).join('')],
      [arrayName, arrayOf(kind.verb, runs.length, planned)],
      // Last, so that a folder with it is complete.
      [planName, formatPlan(kind.verb, planned, common, out)],
    ]);
    for (const [name, text] of files) await writeFileAtomic(join(out, name), text);
    return { out, runs, files: [...files.keys()] };
  });
}

/** Refuses what the device cannot compute. Where none is named, the runs' machines may have either. */
function requireComputableThere(options: ExperimentOptions) {
  const { device = 'auto' } = options;
  const devices = device === 'auto' ? ['cpu', 'cuda'] : [device];
  const refusals = devices.flatMap((each) => {
    try {
      requireComputable(options, each, 1);
      return [];
    } catch (error) {
      return [error];
    }
  });
  if (refusals.length === devices.length) throw refusals[0];
}

export const seedsOf = ({ seeds = defaultOf(compareSchema, 'seeds') }: ExperimentOptions): number[] => [
  ...Array(seeds).keys(),
];

/** Requires a folder without an experiment, and without folders of the names of the runs. Other files may be there. */
function requireFreeOfRuns(entries: readonly Entry[], options: ExperimentOptions, out: string): void {
  const runs = entries.flatMap((entry) => seedsOf(options).map((seed) => folderName(entry, seed)));
  const there = [planName, runsName, arrayName, 'compare.yaml', 'curve.yaml', ...runs].find((name) =>
    existsSync(join(out, name)),
  );
  if (there === undefined) return;
  throw new L2TError(
    'INVALID_RUN',
    `${out} holds an experiment already (${there}): choose another folder for the plan.`,
  );
}

/** The command of one run. */
function lineOf(entry: Entry, seed: number, out: string): string {
  const options = mapPaths(entry.options, (path) => fromFolder(out, path));
  const words = flagWords(transferSchema, { ...options, seed, out: folderName(entry, seed) });
  return commandInLine('transfer', ['--resume-or-start', ...words]);
}

/** A path below the folder relative to it, any other absolute. */
function fromFolder(out: string, path: string): string {
  const below = relative(resolve(out), path);
  if (below === '..' || below.startsWith('../') || isAbsolute(below)) return path;
  return below === '' ? '.' : below;
}

/** The script of a SLURM array with a task for each line. */
function arrayOf(verb: string, runs: number, { threads, device }: ExperimentOptions): string {
  const gpu = device?.startsWith('cuda') ? ['#SBATCH --gpus=1'] : [];
  // With --threads in the lines, OMP_NUM_THREADS says nothing.
  const cores = threads === undefined ? [`export OMP_NUM_THREADS="\${SLURM_CPUS_PER_TASK:-1}"`] : [];
  return [
    '#!/bin/bash',
    `# A task for each line of ${runsName}. In this folder: sbatch ${arrayName}`,
    '# Options of sbatch go over those below: sbatch --time 12:00:00 --array 1-3%2 …',
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

const planSchema = z.strictObject({
  verb: z.enum(['compare', 'curve']),
  fingerprint: z.string(),
  sources: z.record(z.string(), z.string()),
  options: z.record(z.string(), z.unknown()),
});

/** What experiment.yaml says. */
export interface ReadPlan {
  /** The kind of experiment. */
  readonly verb: 'compare' | 'curve';
  /** SHA-256 of each source's weights, by path. */
  readonly sources: Readonly<Record<string, string>>;
  /** Not yet checked; paths may be relative to the folder. */
  readonly options: Readonly<Record<string, unknown>>;
}

function formatPlan(
  verb: string,
  options: ExperimentOptions,
  { fingerprint, sources }: { fingerprint: string; sources: Readonly<Record<string, string>> },
  out: string,
): string {
  const located = (path: string) => fromFolder(out, path);
  const text = stringify({
    verb,
    fingerprint,
    sources: Object.fromEntries(Object.entries(sources).map(([path, hash]) => [located(path), hash])),
    options: mapPaths(options, located),
  });
  return `# The plan of an experiment. Its runs are the lines of ${runsName}; ${collectCommand(verb, '.')} makes the table.\n${text}`;
}

/** @throws L2TError INVALID_RUN, FILE_ACCESS. */
export async function readPlan(folder: string): Promise<ReadPlan> {
  const file = join(folder, planName);
  if (!existsSync(file)) {
    const begun = (['compare', 'curve'] as const).find((verb) => holdsExperiment(verb, folder));
    const problem = begun
      ? `was begun by l2t-native ${begun}, in one process: ${resumeCommand(begun, folder)} goes on with it`
      : `holds no plan: there is no ${file}. Write one with ${planCommand('compare', folder)}`;
    throw new L2TError('INVALID_RUN', `${folder} ${problem}.`);
  }
  const text = await readText(file);
  try {
    return planSchema.parse(parseYaml(text));
  } catch (cause) {
    throw new L2TError('INVALID_RUN', `${file} is damaged: plan the experiment again in another folder.`, { cause });
  }
}

/** The options of a plan, checked, with absolute paths. @throws L2TError INVALID_OPTION. */
export function plannedOptions<O extends ExperimentOptions>(
  { schema }: ExperimentKind<O>,
  { options }: ReadPlan,
  folder: string,
): O {
  const checked = checkOptions(schema, options, (key) => `${join(folder, planName)}: ${key}`) as unknown as O;
  return mapPaths(checked, (path) => resolve(folder, path));
}
