import { inGroup } from '../group/group.js';
import { aGroup } from '../group/options.js';
import { aSignal, takeControls } from '../options/arguments.js';
import type { Context } from './materials.js';
import { Run, type RunControl, type RunResult } from './run.js';

/**
 * A run in the group of `given`, which may be any value; `rest` are its other options, unchecked. Ranks but 0 emit no
 * events.
 */
export function runInGroup(
  given: RunControl | undefined,
  body: (rest: Record<string, unknown>, context: Context) => Promise<RunResult>,
): Run {
  return new Run(async (emit) => {
    const { rest, control } = takeControls(given, { signal: aSignal, group: aGroup });
    const { signal } = control;
    return inGroup(control.group, signal, (group) =>
      body(rest, { group, signal, emit: group.first ? emit : () => {} }),
    );
  });
}
