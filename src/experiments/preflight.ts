import type { Dataset } from '../data/dataset.js';
import { divide } from '../data/divide.js';
import { fingerprint } from '../data/fingerprint.js';
import { loadData } from '../data/load.js';
import type { ListingOptions } from '../data/walk.js';
import { L2TError } from '../errors.js';
import { addon, type NetworkSpec } from '../native/addon.js';
import { type Checkpoint, loadCheckpoint } from '../networks/checkpoint.js';
import { describeNetwork } from '../networks/describe.js';
import { hashTensors } from '../networks/weights/content-hash.js';
import { requireValidation } from '../options/consistent.js';
import { read, type SpecDraft } from '../options/spec.js';
import { loadSources, sourceNames, targetNames } from '../run/sources.js';
import type { Entry } from './entries.js';

/** What all runs of an experiment share. */
export interface Common {
  readonly dataset: Dataset;
  /** SHA-256 of the data set (fingerprint.ts), and of each source's weights, by path. */
  readonly fingerprint: string;
  readonly sources: Readonly<Record<string, string>>;
  /** In the order of `source`; empty if no row reads one. */
  readonly checkpoints: readonly Checkpoint[];
}

/**
 * Finds errors that would end a later run before the first one begins: options that do not go together, data without
 * test images or with too few of a class, sources that cannot be read, pairs that the networks do not have. Decodes
 * nothing.
 * @throws L2TError as `transfer`, naming the entry if the error is of one entry.
 */
export async function preflight(entries: readonly Entry[], listing: ListingOptions = {}): Promise<Common> {
  const [first] = entries as readonly [Entry, ...Entry[]];
  const specs = entries.map(({ options }) => read(options));
  const { data } = specs[0] as SpecDraft;
  const dataset = await loadData({ ...first.options, data, drawTest: true, ...listing });
  if (dataset.test === undefined) {
    throw new L2TError('INVALID_DATA', `A comparison is of test images, and ${data} has none: add some.`);
  }
  for (const perClass of new Set(entries.map(({ options }) => options.perClass))) {
    const { lists } = divide(dataset, { data, perClass, validation: first.options.validation, seed: 0 });
    requireValidation(first.options, lists.validation !== undefined);
  }
  const known = new Map<string, Checkpoint>();
  for (const [k, entry] of entries.entries()) {
    const spec = specs[k] as SpecDraft;
    const target = { name: spec.target, classes: dataset.classNames.length, width: spec.width };
    describeNetwork(target, spec.size); // throws where the images are too small
    await checkSources(entry, spec, target, known);
    if (entry.options.targetInit !== undefined) await readStart(entry.options.targetInit, entry, known);
  }
  return {
    dataset,
    fingerprint: await fingerprint(dataset, listing.signal),
    sources: Object.fromEntries([...known].map(([path, { weights }]) => [path, hashTensors(weights)])),
    checkpoints: [...known.values()],
  };
}

/** `known`: checkpoints that were read already, by path. */
async function checkSources(
  { label }: Entry,
  { sources, strict, size }: SpecDraft,
  target: NetworkSpec,
  known: Map<string, Checkpoint>,
) {
  for (const source of sources) {
    if (!known.has(source.path)) {
      const [checkpoint] = await loadSources([source], strict, () => {});
      known.set(source.path, checkpoint as Checkpoint);
    }
    if (source.pairs === undefined) continue;
    const { network, size: side } = known.get(source.path) as Checkpoint;
    try {
      addon().pairs(network, side, target, size, source.pairs);
    } catch (error) {
      throw error instanceof L2TError
        ? new L2TError(error.code, `${label}: ${error.message}`.split('\n'), { cause: error })
        : error;
    }
  }
}

/** Reads the weights that a target starts from, unless another row has read them. */
async function readStart(path: string, { label, options }: Entry, known: Map<string, Checkpoint>) {
  if (known.has(path)) return;
  const { target, width, size, strict } = options;
  const names = label === 'finetune-source' ? sourceNames : targetNames;
  known.set(path, await loadCheckpoint(path, { network: target, width, size, strict, names }));
}
