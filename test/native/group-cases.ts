import type { GroupConfig, NamedTensor } from '../../src/native/addon.js';
import { type MethodName, methodNames } from '../../src/options/methods.js';
import { batches, type Changes, trained, unlabelled } from './iterations.js';

/** What several ranks compute, in this order. */
export const groupCases: readonly (readonly [method: MethodName, changes: Changes])[] = [
  ...methodNames.map((method) => [method, {}] as const),
  ['lwf+at', { settings: { labelSmoothing: 0.1 }, classWeights: [0.4, 2, 0, 1.6] }],
  ['kd+fm', { sourceClasses: [2, 0, 3, 1], images: unlabelled() }],
  ['l2t-ww', { settings: { metaClip: 0.5, wLrRatio: 0.5 }, lambdaInit: 'equal' }],
  // Of two images, one of three ranks has none.
  ['l2t-ww', { images: batches('judge_', 2) }],
  ['l2t-ww', { images: [...batches('judge_', 2), ...unlabelled(), ...unlabelled('judge_', 2)] }],
  ['sp', { images: unlabelled() }],
];

/** All cases by the native engine, as one rank of a group. */
export async function computeCases(group: GroupConfig): Promise<NamedTensor[][]> {
  const results: NamedTensor[][] = [];
  for (const [method, changes] of groupCases) results.push(await (await trained(method, changes))('native', group));
  return results;
}
