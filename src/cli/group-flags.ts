import * as z from 'zod';
import { checkOptions } from '../options/check.js';
import { between, grouped, toggle } from '../options/row.js';
import { flagOf } from '../options/spelling.js';
import { groupFromEnvironment, launchedProcesses } from '../ranks/environment.js';
import { defaultTimeout, type GroupOptions } from '../ranks/options.js';
import { Ranks } from '../ranks/ranks.js';
import { invalidOption } from '../system/failures.js';
import { type Flags, givenFlags } from './flags.js';

/** Flags of the verbs that several processes may carry out together. */
export const groupFlags = grouped('Where it runs', {
  group: toggle('compute alone, even where a launcher (torchrun, mpirun, srun) started several processes', {
    default: true,
  }),
  timeout: between(1, 86_400, 'of several processes: seconds to wait for one that does not answer', {
    default: defaultTimeout,
  }),
});

const schema = z.strictObject(groupFlags);

/** Returns this process's place among those of a launcher; undefined alone. @throws L2TError INVALID_OPTION. */
export function groupOf(parsed: Flags): GroupOptions | undefined {
  const flags = givenFlags(parsed).filter(([key]) => key in groupFlags);
  const { group = true, timeout } = checkOptions(schema, Object.fromEntries(flags), flagOf);
  const found = group ? groupFromEnvironment() : undefined;
  return found && { ...found, ...(timeout !== undefined && { timeout }) };
}

/** Refuses a launcher, for verbs of one process: it would start the same work several times. @throws L2TError. */
export function requireNoLauncher(): void {
  const processes = launchedProcesses();
  if (processes === undefined) return;
  throw invalidOption(
    `A launcher (torchrun, mpirun, srun) started ${processes} processes, and each would compute the whole experiment: start it once without the launcher, or spread its runs with --plan.`,
  );
}

/** Checks whether this process prints the result. */
export const reports = (group: GroupOptions | undefined): boolean => (group?.rank ?? 0) === 0;

/** Prepares a call that joins the group itself. A failure reaches the other ranks, which wait for this one there. */
export async function beforeJoining<T>(group: GroupOptions | undefined, body: () => Promise<T>): Promise<T> {
  return body().catch(async (error: unknown) => {
    // If the group cannot be joined, the first failure is still the cause.
    await Ranks.use(group, undefined, () => Promise.reject(error)).catch(() => {});
    throw error;
  });
}
