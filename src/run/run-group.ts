import type * as z from 'zod';
import { inGroup } from '../group/group.js';
import { aGroup } from '../group/options.js';
import { aSignal, takeBeforeJoining } from '../options/arguments.js';
import { absolutePath, type Given } from '../options/check.js';
import type { Context } from './materials.js';
import { Run, type RunControl, type RunResult } from './run.js';

type Schema = z.ZodObject<Record<string, z.ZodType>>;

/** A run in the group of `given`, which may be any value. Ranks but 0 emit no events. */
export function runInGroup<S extends Schema>(
  schema: S,
  given: RunControl | undefined,
  body: (options: Given<S>, context: Context) => Promise<RunResult>,
): Run {
  return new Run(async (emit) => {
    const { options, control } = takeBeforeJoining(schema, given, { signal: aSignal, group: aGroup });
    const runs = absolutePath('runs');
    const { signal } = control;
    return inGroup(control.group, signal, (group) =>
      body(options(), { group, signal, runs, emit: group.first ? emit : () => {} }),
    );
  });
}
