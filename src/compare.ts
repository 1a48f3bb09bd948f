import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { L2TError } from './errors.js';
import { writeFileAtomic } from './files.js';
import { checkOptions, compareSchema, type Given, type MethodName, methodNames, methodNeeds } from './options.js';
import { resume as resumeRun } from './resume.js';
import type { Run, RunControl, RunResult } from './run.js';
import { requireUnused } from './run-folder.js';
import { firstSource } from './sources.js';
import { deviation, mean, percentOf } from './statistics.js';
import { didYouMean } from './suggest.js';
import { transfer } from './transfer.js';
import { yamlOptions } from './yaml-options.js';

/** What one method gave, over its seeds. */
export interface ComparisonRow {
  /** The method, with its pairs where they were named: fm:all-to-all. */
  readonly label: string;
  readonly method: MethodName;
  /** On the test images, in [0, 1], one a seed. */
  readonly accuracies: readonly number[];
  readonly mean: number;
  /** The sample's standard deviation; absent of one seed. */
  readonly deviation?: number;
  /** On the validation images, one a seed; absent where there are none. */
  readonly validation?: readonly number[];
  /** Training and validation of one run, mean. */
  readonly seconds: number;
  readonly runs: readonly string[];
}

export interface Comparison {
  readonly out: string;
  readonly rows: readonly ComparisonRow[];
}

/** Follows a run to its end, showing it or not. */
export type Follow = (run: Run, label: string, seed: number) => Promise<RunResult>;

export type CompareOptions = Given<typeof compareSchema> & RunControl & { readonly follow?: Follow | undefined };

const optionsFile = 'compare.yaml';

/**
 * Runs several methods with several seeds, all else equal, one run after the other in folders below `out`, and writes
 * the table there (comparison.md, .csv, .json).
 * @throws L2TError as `transfer`; INVALID_OPTION for a method that is none.
 */
export async function compare({ signal, follow, ...given }: CompareOptions): Promise<Comparison> {
  const checked = checkOptions(compareSchema, given);
  // A resume may come from another working directory.
  const options = {
    ...checked,
    ...(checked.data !== undefined && { data: resolve(checked.data) }),
    ...(checked.source !== undefined && { source: [checked.source].flat().map((path) => resolve(path)) }),
  };
  parseMethods(options.methods);
  const out = options.out ?? firstFree();
  await requireUnused(out);
  await mkdir(out, { recursive: true });
  await writeFileAtomic(join(out, optionsFile), stringify({ ...options, out: undefined }));
  return run(out, options, { signal, follow });
}

/** Goes on with a comparison: finished runs are read, an interrupted one resumes, the others begin. */
export async function resumeComparison(
  out: string,
  { signal, follow }: RunControl & { readonly follow?: Follow | undefined } = {},
): Promise<Comparison> {
  const path = join(out, optionsFile);
  if (!existsSync(path)) throw new L2TError('INVALID_RUN', `${out} holds no comparison: ${optionsFile} is missing.`);
  return run(out, await yamlOptions(compareSchema, path), { signal, follow });
}

interface Entry {
  readonly label: string;
  readonly method: MethodName;
  readonly pairs?: string;
}

function parseMethods(list = 'scratch,fm,at,l2t-w,l2t-ww'): Entry[] {
  const entries = list.split(',').map((item): Entry => {
    const [name = '', ...rest] = item.trim().split(':');
    const method = methodNames.find((known) => known === name);
    if (method === undefined || method === 'finetune') {
      const why =
        method === undefined ? `'${name}' is no method.` : 'finetune starts from other weights than the rest.';
      throw new L2TError('INVALID_OPTION', `--methods: ${why}${didYouMean(name, methodNames)}`);
    }
    const pairs = rest.join(':');
    if (pairs !== '' && !methodNeeds[method].pairs) {
      throw new L2TError('INVALID_OPTION', `--methods: ${method} has no pairs: leave out ':${pairs}'.`);
    }
    return pairs === '' ? { label: method, method } : { label: `${method}:${pairs}`, method, pairs };
  });
  const labels = entries.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw new L2TError('INVALID_OPTION', `--methods: ${twice} is listed twice.`);
  return entries;
}

async function run(
  out: string,
  { methods, seeds = 3, ...options }: Given<typeof compareSchema>,
  { signal, follow = (started) => started.result }: Pick<CompareOptions, 'signal' | 'follow'>,
): Promise<Comparison> {
  const rows: ComparisonRow[] = [];
  for (const [index, entry] of parseMethods(methods).entries()) {
    const results: RunResult[] = [];
    for (let seed = 0; seed < seeds; seed++) {
      const folder = join(out, `${entry.label.replaceAll(/[^\w+-]/g, '_')}-${seed}`);
      const started = existsSync(join(folder, 'options.yaml'))
        ? resumeRun(folder, { signal })
        : transfer({ ...fitting(entry, options), seed, out: folder, signal });
      results.push(await follow(started, entry.label, seed).catch(interrupted(out)));
      // The table grows run by run.
      rows[index] = rowOf(entry, results);
      await save(out, rows);
    }
  }
  return { out, rows };
}

/** An abort names the comparison, not the run in it. */
const interrupted = (out: string) => (error: unknown) => {
  if (!(error instanceof L2TError) || error.code !== 'ABORTED') throw error;
  const message = `The comparison was interrupted; all is saved. Continue it with: l2t-native compare --resume ${out}`;
  throw new L2TError('ABORTED', message, { cause: error.cause });
};

/** The options that the method reads. */
function fitting({ method, pairs }: Entry, options: Omit<Given<typeof compareSchema>, 'methods' | 'seeds'>) {
  const needs = methodNeeds[method];
  const { source, sourceNetwork, sourceSize, sourceWidth, beta, innerSteps, metaLr, metaWeightDecay, ...rest } =
    options;
  const sources = { source, sourceNetwork, sourceSize, sourceWidth };
  return {
    ...rest,
    method,
    ...(pairs !== undefined && { pairs }),
    ...(needs.source && (needs.pairs ? sources : firstSource(sources))),
    ...(needs.beta && { beta }),
    ...(needs.meta && { innerSteps, metaLr, metaWeightDecay }),
  };
}

function rowOf({ label, method }: Entry, results: readonly RunResult[]): ComparisonRow {
  const accuracies = results.map(({ accuracy, run: folder }) => {
    if (accuracy !== null) return accuracy;
    throw new L2TError('INVALID_DATA', `A comparison is of test images, and the data of ${folder} has none.`);
  });
  const validation = results.map(({ best }) => best.accuracy).filter((accuracy) => accuracy !== null);
  const spread = deviation(accuracies);
  return {
    ...{ label, method, accuracies, mean: mean(accuracies) },
    ...(spread !== undefined && { deviation: spread }),
    ...(validation.length === results.length && { validation }),
    seconds: mean(results.map(({ seconds }) => seconds)),
    runs: results.map(({ run: folder }) => folder),
  };
}

/** Header and rows of the table, as text. */
export function comparisonTable(rows: readonly ComparisonRow[]): { head: string[]; rows: string[][] } {
  return {
    head: ['method', 'test accuracy, %', 'each seed', 'validation, %', 'time a run'],
    rows: rows.map(({ label, accuracies, validation, seconds }) => [
      label,
      percentOf(accuracies),
      accuracies.map((accuracy) => (100 * accuracy).toFixed(1)).join(', '),
      validation === undefined ? '' : percentOf(validation),
      `${seconds.toFixed(0)} s`,
    ]),
  };
}

async function save(out: string, rows: readonly ComparisonRow[]): Promise<void> {
  const { head, rows: cells } = comparisonTable(rows);
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const markdown = [line(head), `|${'---|'.repeat(head.length)}`, ...cells.map(line)].join('\n');
  const csv = rows.map(({ label, mean: centre, deviation: spread, seconds, accuracies }) =>
    [`"${label}"`, centre, spread ?? '', seconds, ...accuracies].join(','),
  );
  const seeds = rows[0]?.accuracies.map((_, seed) => `seed ${seed}`) ?? [];
  await writeFileAtomic(join(out, 'comparison.json'), `${JSON.stringify(rows, null, 2)}\n`);
  await writeFileAtomic(join(out, 'comparison.md'), `${markdown}\n`);
  const header = ['method', 'mean', 'deviation', 'seconds', ...seeds].join(',');
  await writeFileAtomic(join(out, 'comparison.csv'), `${[header, ...csv].join('\n')}\n`);
}

function firstFree(): string {
  for (let k = 1; ; k++) {
    const path = join('runs', `compare-${k}`);
    if (!existsSync(path)) return path;
  }
}
