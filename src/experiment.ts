import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type * as z from 'zod';
import { addon } from './addon.js';
import { absolutePaths, type Entry, type ExperimentOptions } from './entries.js';
import { L2TError } from './errors.js';
import { type ExperimentRow, rowOf, saveTable } from './experiment-table.js';
import { fileError, writeFileAtomic } from './files.js';
import { defaultBatch, defaultSize } from './networks.js';
import { checkOptions, compareSchema, methodNeeds, required } from './options.js';
import { resume as resumeRun } from './resume.js';
import type { Run, RunControl, RunResult } from './run.js';
import { firstFree, requireUnused } from './run-folder.js';
import { lanesFor, sideBySide } from './side-by-side.js';
import { defaultThreads } from './threads.js';
import { transfer } from './transfer.js';
import { yamlOptions } from './yaml-options.js';

/** What an experiment gave. */
export interface ExperimentResult {
  /** The folder with the table (comparison.md, .csv, .json) and the run folders. */
  readonly out: string;
  readonly rows: readonly ExperimentRow[];
}

/** Follows a run to its end, showing it or not. */
export type Follow = (run: Run, label: string, seed: number) => Promise<RunResult>;

/** What only the API takes. */
export interface ExperimentControl extends RunControl {
  readonly follow?: Follow | undefined;
}

/** A kind of experiment: its verb, its options, and which rows they make. */
export interface ExperimentKind<O extends ExperimentOptions> {
  readonly verb: string;
  readonly schema: z.ZodObject<Record<string, z.ZodType>>;
  /** @throws L2TError INVALID_OPTION. */
  entries(options: O): Entry[];
}

/** Checks the options, writes them where a resume finds them, and runs every entry with every seed. */
export async function beginExperiment<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  { signal, follow, ...given }: O & ExperimentControl,
): Promise<ExperimentResult> {
  const options = absolutePaths(checkOptions(kind.schema, given) as O);
  required(compareSchema, options, 'data');
  required(compareSchema, options, 'target');
  const entries = kind.entries(options);
  if (needSource(entries)) required(compareSchema, options, 'source');
  const out = options.out ?? firstFree(kind.verb);
  await requireUnused(out);
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw fileError('write', out, error);
  });
  await writeFileAtomic(optionsFile(kind, out), stringify({ ...options, out: undefined }));
  return runAll(kind, out, entries, options, { signal, follow });
}

/** Goes on: finished runs are read, interrupted ones resume, the others begin. `parallel` may differ from before. */
export async function resumeExperiment<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  out: string,
  { signal, follow, parallel }: ExperimentControl & Pick<ExperimentOptions, 'parallel'>,
): Promise<ExperimentResult> {
  if (!holdsExperiment(kind, out)) {
    throw new L2TError('INVALID_RUN', `${out} was not begun by l2t-native ${kind.verb}: ${kind.verb}.yaml is missing.`);
  }
  const changes = checkOptions(compareSchema.pick({ parallel: true }), { parallel });
  const options = { ...((await yamlOptions(kind.schema, optionsFile(kind, out))) as O), ...changes };
  return runAll(kind, out, kind.entries(options), options, { signal, follow });
}

export const needSource = (entries: readonly Entry[]): boolean =>
  entries.some(({ method }) => methodNeeds[method].source);

const optionsFile = ({ verb }: { readonly verb: string }, out: string): string => join(out, `${verb}.yaml`);

export const holdsExperiment = (kind: { readonly verb: string }, out: string): boolean =>
  existsSync(optionsFile(kind, out));

/** Runs side by side where nobody says; several on one GPU would share its memory. */
export function defaultParallel(options: ExperimentOptions): number {
  if (addon().device(options.device ?? 'auto').device !== 'cpu') return 1;
  const size = options.size ?? defaultSize(required(compareSchema, options, 'target'));
  const { threads = defaultThreads(), batch = defaultBatch(size), width = 1 } = options;
  return lanesFor({ threads, batch, size, width });
}

async function runAll(
  kind: { readonly verb: string },
  out: string,
  entries: readonly Entry[],
  options: ExperimentOptions,
  { signal, follow = (run) => run.result }: ExperimentControl,
): Promise<ExperimentResult> {
  const { seeds = 3, parallel = defaultParallel(options) } = options;
  const rows = entries.map((entry) => ({ entry, results: new Array<RunResult | undefined>(seeds).fill(undefined) }));
  const known = () =>
    rows.flatMap(({ entry, results }) => {
      const done = upToGap(results);
      return done.length > 0 ? [rowOf(entry, done)] : [];
    });
  const jobs = rows.flatMap((row) => row.results.map((_, seed) => ({ ...row, seed })));
  let saved: Promise<void> = Promise.resolve();
  await sideBySide(parallel, jobs, signal, async ({ entry, results, seed }, stop) => {
    results[seed] = await follow(startRun(entry, seed, out, stop), titleOf(entry), seed);
    // The table grows run by run, one writer at a time.
    saved = saved.then(() => saveTable(out, known()));
    await saved;
  }).catch(interrupted(kind, out));
  return { out, rows: known() };
}

/** A later seed may be done first: it waits for those before it, so that the table's columns are seeds. */
function upToGap(results: readonly (RunResult | undefined)[]): RunResult[] {
  const gap = results.indexOf(undefined);
  return results.slice(0, gap === -1 ? undefined : gap) as RunResult[];
}

const titleOf = ({ label, perClass }: Entry): string =>
  perClass === undefined ? label : `${label}, ${perClass} a class`;

function startRun({ label, perClass, options }: Entry, seed: number, out: string, signal: AbortSignal): Run {
  const parts = [label.replaceAll(/[^\w+-]/g, '_'), ...(perClass === undefined ? [] : [perClass]), seed];
  const folder = join(out, parts.join('-'));
  const begun = existsSync(join(folder, 'options.yaml'));
  return begun ? resumeRun(folder, { signal }) : transfer({ ...options, seed, out: folder, signal });
}

/** An abort names the experiment, not the run in it. */
const interrupted =
  ({ verb }: { readonly verb: string }, out: string) =>
  (error: unknown): never => {
    if (!(error instanceof L2TError) || error.code !== 'ABORTED') throw error;
    const message = `The experiment was interrupted; all is saved. Continue it with: l2t-native ${verb} --resume ${out}`;
    throw new L2TError('ABORTED', message, { cause: error.cause });
  };
