import { basename } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { loadClassifier, testAccuracy } from '../inference/evaluate.js';
import { countParameters } from '../networks/describe.js';
import { contentHash, loadSources, type Source } from '../networks/sources.js';
import { isOnnx } from '../options/sources.js';
import { invalidOption, invalidRun } from '../system/failures.js';
import type { ExperimentOptions } from './entries.js';
import type { OtherNetwork } from './plan.js';

/** Signal and listener of the tests. */
export interface TestControl {
  readonly signal?: AbortSignal | undefined;
  /** Called while a network of `with` is tested: how many test images it has seen, and how many there are. */
  readonly onTested?: ((done: number, total: number) => void) | undefined;
}

/**
 * Tests the networks of `with` on the test images of all methods. `labels`: labels of the methods' rows, from which
 * theirs must differ.
 * @throws L2TError INVALID_OPTION, INVALID_WEIGHTS, FILE_ACCESS; INVALID_DATA if the data has a class that a network
 * does not know; ABORTED.
 */
export async function testOthers(
  { with: paths = [], classNames, ...placement }: ExperimentOptions,
  labels: readonly string[],
  dataset: Dataset,
  { signal, onTested }: TestControl,
): Promise<OtherNetwork[]> {
  const all = [...labels, ...paths.map(labelOf)];
  const twice = all.find((label, k) => all.indexOf(label) !== k);
  if (twice !== undefined && paths.length > 0) {
    throw invalidOption(`{with}: two rows of the table would be named ${twice}: rename one of the files or folders.`);
  }
  // All are read before the first is tested, which may take minutes.
  const read: Source[] = [];
  for (const path of paths) read.push((await loadClassifier(path, { classNames }, {})).loaded);
  const tested: OtherNetwork[] = [];
  for (const [k, loaded] of read.entries()) {
    const path = paths[k] as string;
    const accuracy = await testAccuracy(loaded, dataset, placement, { signal, onProgress: onTested });
    const parameters = loaded.onnx ? null : countParameters(loaded.network);
    tested.push({ label: labelOf(path), path, hash: contentHash(loaded), accuracy, parameters });
  }
  return tested;
}

/** Returns a label. It names ONNX Runtime for an ONNX file, since the times of other rows are of our own kernels. */
const labelOf = (path: string): string => (isOnnx(path) ? `${basename(path)} (ONNX Runtime)` : basename(path));

/**
 * Reads a network once more.
 * @throws L2TError INVALID_RUN if it has changed since it was tested; as `loadCheckpoint`.
 */
export async function readOther({ path, hash }: OtherNetwork): Promise<Source> {
  const [source] = (await loadSources([{ path }], {})) as [Source];
  if (contentHash(source) === hash) return source;
  throw invalidRun(`${path} has changed since it was tested.`);
}
