import type * as z from 'zod';
import type { ListingOptions } from '../data/walk.js';
import { required } from '../options/check.js';
import { compareSchema } from '../options/schemas.js';
import { absolutePaths, type Entry, type ExperimentOptions, withSourceNetworks } from './entries.js';
import { type Common, preflight } from './preflight.js';

/** A kind of experiment: its verb, its options, and the rows that they make. */
export interface ExperimentKind<O extends ExperimentOptions> {
  readonly verb: 'compare' | 'curve';
  readonly schema: z.ZodObject<Record<string, z.ZodType>>;
  /** @throws L2TError INVALID_OPTION. */
  entries(options: O): Entry[];
}

/** The file of an experiment that was planned: its options, and what all runs share. */
export const planName = 'experiment.yaml';

/** The file of its runs, one a line. */
export const runsName = 'runs.txt';

/** How an experiment is checked before its first run. */
export interface Checking extends ListingOptions {
  /** A check of the caller's own, of what all runs share. */
  readonly check?: ((common: Common) => void) | undefined;
}

/**
 * Checks the options, the sources and the data of all runs before the first one. Returns the options with absolute paths
 * and what the sources' checkpoints say, and what all runs share.
 * @throws L2TError as `preflight`.
 */
export async function prepare<O extends ExperimentOptions>(
  kind: ExperimentKind<O>,
  { signal, onListed, check, ...given }: O & Checking,
): Promise<{ readonly options: O; readonly common: Common }> {
  const located = absolutePaths(given as unknown as O);
  required(compareSchema, located, 'data');
  const options = await withSourceNetworks(kind.entries(located), located);
  const common = await preflight(kind.entries(options), { signal, onListed });
  check?.(common);
  return { options, common };
}
