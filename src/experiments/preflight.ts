import type { Dataset } from '../data/dataset.js';
import { divide } from '../data/divide.js';
import { fingerprint } from '../data/fingerprint.js';
import { loadData } from '../data/load.js';
import type { ListingOptions } from '../data/walk.js';
import { L2TError } from '../errors.js';
import { addon } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { describeNetwork } from '../networks/describe.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { requireValidation } from '../options/consistent.js';
import { loadSources, sourceNames, targetNames } from '../run/materials.js';
import { invalidData } from '../system/failures.js';
import type { Experiment, PlannedRow } from './plan.js';

/** What all runs of an experiment share. */
export interface Common extends Pick<Experiment, 'fingerprint' | 'sources'> {
  readonly dataset: Dataset;
  /** In the order of `source`; empty if no row reads one. */
  readonly checkpoints: readonly Checkpoint[];
}

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
  for (const perClass of new Set(rows.map(({ spec }) => spec.perClass))) {
    const { lists } = divide(dataset, { data, perClass, validation, seed: 0 });
    requireValidation(first, lists.validation !== undefined);
  }
  const known = new Map<string, Checkpoint>();
  for (const row of rows) await checkNetworks(row, dataset.classNames.length, known);
  return {
    dataset,
    fingerprint: await fingerprint(dataset, listing.signal),
    sources: Object.fromEntries([...known].map(([path, { weights }]) => [path, hashTensors(weights)])),
    checkpoints: [...known.values()],
  };
}

/** Checks a row's target, sources and pairs. `known`: checkpoints that were read already, by path. */
async function checkNetworks({ label, spec }: PlannedRow, classes: number, known: Map<string, Checkpoint>) {
  const { target: name, width, size, strict, targetInit } = spec;
  const target = { name, classes, width };
  describeNetwork(target, size); // throws where the images are too small
  for (const source of spec.sources) {
    if (!known.has(source.path)) {
      const [checkpoint] = await loadSources([source], strict, () => {});
      known.set(source.path, checkpoint as Checkpoint);
    }
    if (source.pairs === undefined) continue;
    const { network, size: side } = known.get(source.path) as Checkpoint;
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
