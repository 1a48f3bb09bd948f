import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import type { ListingOptions } from '../data/layout-reader.js';
import { fingerprint, loadData } from '../data/load.js';
import { divide } from '../data/split.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { loadCheckpoint } from '../networks/checkpoint.js';
import { describeNetwork } from '../networks/describe.js';
import { contentHash, loadSources, type Source, sourceNames } from '../networks/sources.js';
import { defaultOf } from '../options/check.js';
import { requireComputable, requireValidation } from '../options/consistent.js';
import { defaultBatch } from '../options/networks.js';
import { compareSchema } from '../options/schemas.js';
import { read } from '../options/spec.js';
import { requireOutputs, sourceClasses, targetNames } from '../run/materials.js';
import { planName } from '../store/new-folder.js';
import { invalidData, invalidRun } from '../system/failures.js';
import { type ExperimentKind, type ExperimentOptions, withSourceNetworks } from './entries.js';
import { type TestControl, testOthers } from './other-networks.js';
import {
  arrayName,
  type Experiment,
  finetunings,
  type PlannedRow,
  type RowTitle,
  runsName,
  runsOf,
  splitName,
} from './plan.js';

/** Data and sources that all runs of an experiment share. */
export interface Common extends Pick<Experiment, 'fingerprint' | 'sources'> {
  readonly dataset: Dataset;
  /** Sources in the order of `source`; empty if no row reads one. */
  readonly checkpoints: readonly Source[];
  /** Numbers of training images, by `perClass`. */
  readonly images: ReadonlyMap<number | undefined, number>;
}

/** A check by the caller of a new experiment. */
export interface Checking {
  readonly check?: ((common: Common) => void) | undefined;
}

/**
 * Checks the options, the sources and the data of all runs before the first one. Returns a function that makes the
 * experiment in a folder: a split file is then the experiment's own copy, since the given one may be moved or removed.
 */
export async function prepareExperiment(
  kind: ExperimentKind,
  experiment: ExperimentOptions,
  { signal, onListed, onTested, check }: Checking & ListingOptions & TestControl,
) {
  const entries = kind.entries(await withSourceNetworks(kind.entries(experiment), experiment));
  const rows = entries.map(({ label, perClass, options }): PlannedRow => ({ label, perClass, spec: read(options) }));
  const common = await preflight(rows, { signal, onListed });
  check?.(common);
  const { fingerprint, sources, dataset, images } = common;
  const labels = rows.map(({ label }) => label);
  const others = await testOthers(experiment, labels, dataset, { signal, onTested });
  const { division } = dataset;
  const { report = true, parallel } = experiment;
  return (out: string) => {
    const splitFile = division && { splitFile: resolve(out, splitName) };
    const located = rows.map(({ spec, ...row }) => {
      // The plan names the batch, since a source is fine-tuned with the batch of the runs that need it.
      const batch = spec.sourceFinetune && { batch: spec.batch ?? defaultBatch(spec.size, images.get(spec.perClass)) };
      return { ...row, spec: { ...spec, ...splitFile, ...batch } };
    });
    const shared = {
      verb: kind.verb,
      fingerprint,
      sources,
      with: others,
      seeds: seedsOf(experiment),
      report,
      parallel,
    };
    return { experiment: { ...shared, rows: located } satisfies Experiment, division };
  };
}

export const seedsOf = ({ seeds = defaultOf(compareSchema, 'seeds') }: ExperimentOptions): number => seeds;

/**
 * Finds errors that would end a later run before the first one begins: data without test images or with too few of a
 * class, sources that cannot be read, pairs that the networks do not have. Decodes nothing.
 * @throws L2TError as `transfer`, naming the row if the error is of one row.
 */
export async function preflight(rows: readonly PlannedRow[], listing: ListingOptions = {}): Promise<Common> {
  const [{ spec: first }] = rows as readonly [PlannedRow, ...PlannedRow[]];
  const { data, validation } = first;
  const dataset = await loadData({ ...first, drawTest: true, ...listing });
  if (dataset.test === undefined) throw invalidData(`A comparison is of test images, and ${data} has none: add some.`);
  const images = new Map<number | undefined, number>();
  for (const perClass of new Set(rows.map(({ spec }) => spec.perClass))) {
    const { lists } = divide(dataset, { data, perClass, validation, seed: 0 });
    images.set(perClass, lists.train.count);
    requireValidation(first, lists.validation !== undefined);
  }
  const known = new Map<string, Source>();
  for (const row of rows.flatMap((each) => [each, ...finetunings(each)])) {
    await checkNetworks(row, dataset.classNames, known);
  }
  return {
    dataset,
    fingerprint: await fingerprint(dataset, listing.signal),
    sources: Object.fromEntries([...known].map(([path, source]) => [path, contentHash(source)])),
    checkpoints: [...known.values()],
    images,
  };
}

/** Checks a row's target, sources and pairs. `known`: checkpoints that were read already, by path. */
async function checkNetworks({ label, spec }: PlannedRow, classNames: readonly string[], known: Map<string, Source>) {
  const { target: name, width, size, strict, targetInit } = spec;
  const target = { name, classes: classNames.length, width };
  describeNetwork(target, size); // throws if the images are too small
  for (const source of spec.sources) {
    if (!known.has(source.path)) {
      const [checkpoint] = await loadSources([source], { strict, size });
      known.set(source.path, checkpoint as Source);
    }
    if (source === spec.sources[0]) {
      requireOutputs(spec, known.get(source.path));
      sourceClasses(spec, known.get(source.path), classNames);
    }
    if (source.pairs === undefined) continue;
    const { network, size: side } = known.get(source.path) as Source;
    try {
      addon().pairs(network, side, target, size, source.pairs);
    } catch (error) {
      if (!(error instanceof L2TError)) throw error;
      throw new L2TError(error.code, `${label}: ${error.message}`.split('\n'), { cause: error });
    }
  }
  if (targetInit === undefined || known.has(targetInit)) return;
  const names = label === 'finetune-source' ? sourceNames : targetNames;
  known.set(targetInit, await loadCheckpoint(targetInit, { network: name, width, size, strict, names }));
}

/** Requires the data and the sources of the plan: all rows of a table must have the same. */
export function requireUnchanged(
  out: string,
  { rows, ...planned }: Experiment,
  { fingerprint, sources }: Common,
): void {
  const changed = [
    ...(planned.fingerprint === fingerprint ? [] : [`the data in ${rows[0]?.spec.data}`]),
    ...Object.keys(sources).filter((path) => planned.sources[path] !== sources[path]),
  ];
  if (changed.length === 0) return;
  throw invalidRun(`Since ${out} began, ${changed.join(' and ')} changed: put it back, or begin again.`);
}

/** Refuses options that the device cannot compute. If none is named, the runs' machines may have a CPU or a GPU. */
export function requireComputableThere(options: ExperimentOptions) {
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

/** Requires a folder without an experiment, and without folders of the names of the runs. Other files may be there. */
export function requireFreeOfRuns(rows: readonly RowTitle[], seeds: number, out: string): void {
  const runs = runsOf({ rows: rows as readonly PlannedRow[], seeds }, out).map(({ folder }) => folder);
  const files = [planName, runsName, arrayName].map((name) => join(out, name));
  const existing = [...files, ...runs].find((path) => existsSync(path));
  if (existing === undefined) return;
  throw invalidRun(`${out} holds an experiment already (${basename(existing)}): choose another folder for the plan.`);
}
