import type { GroupConfig, NamedTensor } from '../../../src/native/addon.js';
import { type MethodName, methodNames } from '../../../src/options/methods.js';
import { batch, batches, type Changes, trained, unlabelled } from './iterations.js';

const classWeights = [0.4, 2, 0, 1.6];
const smoothed = { labelSmoothing: 0.1 };

/** The cases that engines and ranks compute, in this order. */
export const cases: readonly (readonly [method: MethodName, changes: Changes])[] = [
  ...methodNames.map((method) => [method, {}] as const),
  ...(['l2t-ww', 'lwf+at', 'l2-sp'] as const).map((method) => [method, { settings: smoothed, classWeights }] as const),
  // The source has another order of classes.
  ['kd', { settings: { ...smoothed, kdWeight: 0.7 }, sourceClasses: [2, 0, 3, 1] }],
  ['kd+l2t-ww', { settings: { ...smoothed, kdWeight: 0.7 }, sourceClasses: [2, 0, 3, 1] }],
  ['kd+fm', { sourceClasses: [2, 0, 3, 1], images: unlabelled() }],
  // With clipped gradients, a slower w, and decay to the start.
  ['l2t-ww', { settings: { metaClip: 0.5, wLrRatio: 0.5, metaWeightDecay: 0.1 }, lambdaInit: 'equal' }],
  // Another batch, of fewer images, judges φ; with two images, one of three ranks has none.
  ['l2t-ww', { images: batches('judge_', batch - 2) }],
  ['l2t-ww', { images: batches('judge_', 2) }],
  ...(['l2t-ww', 'lwf+at', 'kd', 'sp', 'vid'] as const).map(
    (method) => [method, { images: unlabelled(), settings: smoothed, classWeights }] as const,
  ),
  // Images without labels, and others beside what judges φ.
  ['l2t-ww', { images: [...batches('judge_', 2), ...unlabelled(), ...unlabelled('judge_', 2)] }],
];

/** All cases by the native engine, alone or as one rank of a group. */
export async function computeCases(group?: GroupConfig): Promise<NamedTensor[][]> {
  const results: NamedTensor[][] = [];
  for (const [method, changes] of cases) results.push(await (await trained(method, changes))('native', group));
  return results;
}
