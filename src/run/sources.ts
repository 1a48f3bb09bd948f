import { addon, type NativeSource, type NetworkSpec } from '../native/addon.js';
import { type Checkpoint, checkpointNames, loadCheckpoint } from '../networks/checkpoint.js';
import type { NetworkName } from '../options/networks.js';
import type { Facts, SourceDraft, SpecDraft } from '../options/spec.js';

/** The options that say how to read a source's checkpoint, for messages. */
export const sourceNames = { ...checkpointNames, network: '{sourceNetwork}', width: '{sourceWidth}' };

/** The same of the weights that the target starts from. */
export const targetNames = { ...checkpointNames, network: '{target}' };

/** Reads the sources one after the other, so that the first of several errors is always the same. */
export async function loadSources(
  sources: readonly SourceDraft[],
  strict: boolean | undefined,
  onWarning: (message: string) => void,
): Promise<Checkpoint[]> {
  const checkpoints: Checkpoint[] = [];
  for (const { path, network, width, size } of sources) {
    const options = { network, width, size, strict, names: sourceNames, onWarning };
    checkpoints.push(await loadCheckpoint(path, options));
  }
  return checkpoints;
}

/** What a spec records of the sources' checkpoints. */
export const factsOf = (checkpoints: readonly Checkpoint[]): Facts['sources'] =>
  checkpoints.map(({ network: { name, width }, size }) => ({ network: name as NetworkName, width, size }));

/**
 * The sources as the native part takes them, with their pairs: none if the method has none.
 * @throws L2TError INVALID_OPTION if the networks do not have the pairs.
 */
export function nativeSources(
  { sources, size }: Pick<SpecDraft, 'sources' | 'size'>,
  checkpoints: readonly Checkpoint[],
  target: NetworkSpec,
): NativeSource[] {
  return checkpoints.map((checkpoint, k) => {
    const configuration = sources[k]?.pairs;
    if (configuration === undefined) return { ...checkpoint, pairs: [] };
    return { ...checkpoint, pairs: addon().pairs(checkpoint.network, checkpoint.size, target, size, configuration) };
  });
}
