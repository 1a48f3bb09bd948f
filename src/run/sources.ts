import { resolve as absolute } from 'node:path';
import { L2TError } from '../errors.js';
import { addon, type NativeSource, type NetworkSpec } from '../native/addon.js';
import { type Checkpoint, flagNames, loadCheckpoint } from '../networks/checkpoint.js';
import { flagOf, type Given, required } from '../options/check.js';
import { type MethodName, methodOf, needsOf } from '../options/methods.js';
import type { NetworkName } from '../options/networks.js';
import type { ResolvedOptions, ResolvedSource } from '../options/run-record.js';
import { transferSchema } from '../options/schemas.js';

/** The options of one source. */
interface GivenSource {
  readonly checkpoint: string;
  readonly network?: NetworkName | undefined;
  readonly width?: number | undefined;
  readonly size?: number | undefined;
  readonly pairs?: string | undefined;
  readonly licence?: string | undefined;
}

/**
 * The sources in the order of `source`, with absolute paths.
 * @throws L2TError INVALID_OPTION if there is none, one is given twice, or another option has too many or few values.
 */
export function listSources(options: Given<typeof transferSchema>): GivenSource[] {
  const paths = [required(transferSchema, options, 'source')].flat().map((path) => absolute(path));
  const twice = paths.find((path, k) => paths.indexOf(path) !== k);
  if (twice !== undefined) throw new L2TError('INVALID_OPTION', `--source ${twice} is given twice: leave one out.`);
  const networks = onePerSource('sourceNetwork', options.sourceNetwork, paths.length);
  const widths = onePerSource('sourceWidth', options.sourceWidth, paths.length);
  const sizes = onePerSource('sourceSize', options.sourceSize, paths.length);
  const pairs = onePerSource('pairs', options.pairs, paths.length);
  const licences = onePerSource('sourceLicence', options.sourceLicence, paths.length);
  return paths.map((checkpoint, k) => ({
    checkpoint,
    network: networks[k],
    width: widths[k],
    size: sizes[k],
    pairs: pairs[k],
    licence: licences[k],
  }));
}

/** The options of the first source only: a method without pairs learns from one source. */
export function firstSource({
  source,
  sourceNetwork,
  sourceSize,
  sourceWidth,
  sourceLicence,
}: Given<typeof transferSchema>) {
  const first = <T extends string | number>(given: T | readonly T[] | undefined) =>
    typeof given === 'object' ? given[0] : given;
  return {
    source: first(source),
    sourceNetwork: first(sourceNetwork),
    sourceSize: first(sourceSize),
    sourceWidth: first(sourceWidth),
    sourceLicence: first(sourceLicence),
  };
}

/** One value applies to all sources. */
function onePerSource<T extends string | number>(
  key: string,
  given: T | readonly T[] | undefined,
  count: number,
): readonly (T | undefined)[] {
  const values = typeof given === 'object' ? given : [given];
  if (values.length === count) return values;
  if (values.length === 1) return Array(count).fill(values[0]);
  const counts = `${values.length} ${flagOf(key)} for ${count} --source`;
  throw new L2TError('INVALID_OPTION', `${counts} do not fit: give one for all, or one for each.`);
}

/** The flags that say how to read a source's checkpoint, for messages. */
export const sourceFlags = { ...flagNames, network: '--source-network', width: '--source-width' };

/** The same of the weights that the target starts from. */
export const targetFlags = { ...flagNames, network: '--target' };

/** Reads the sources one after the other, so that the first of several errors is always the same. */
export async function loadSources(
  sources: readonly GivenSource[],
  strict: boolean | undefined,
  onWarning: (message: string) => void,
): Promise<Checkpoint[]> {
  const checkpoints: Checkpoint[] = [];
  for (const { checkpoint, network, width, size } of sources) {
    const options = { network, width, size, strict, names: sourceFlags, onWarning };
    checkpoints.push(await loadCheckpoint(checkpoint, options));
  }
  return checkpoints;
}

/** The sources as options.yaml records them: completed with defaults and from their checkpoints. */
export function resolveSources(
  method: MethodName,
  sources: readonly GivenSource[],
  checkpoints: readonly Checkpoint[],
): ResolvedSource[] {
  return checkpoints.map(({ network: { name, width }, size }, k) => {
    const { checkpoint, pairs = methodOf(method).pairs, licence } = sources[k] as GivenSource;
    return {
      checkpoint,
      network: name,
      width,
      size,
      ...(needsOf(method).pairs && { pairs }),
      ...(licence !== undefined && { licence }),
    };
  });
}

/**
 * The sources as the native part takes them, with their pairs: none if the method has none.
 * @throws L2TError INVALID_OPTION if the networks do not have the pairs.
 */
export function nativeSources(
  { sources, size }: Pick<ResolvedOptions, 'sources' | 'size'>,
  checkpoints: readonly Checkpoint[],
  target: NetworkSpec,
): NativeSource[] {
  return checkpoints.map((checkpoint, k) => {
    const configuration = sources[k]?.pairs;
    if (configuration === undefined) return { ...checkpoint, pairs: [] };
    return { ...checkpoint, pairs: addon().pairs(checkpoint.network, checkpoint.size, target, size, configuration) };
  });
}
