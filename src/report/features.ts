import type { Pair } from '../native/addon.js';
import { describeNetwork } from '../networks/describe.js';
import type { SourceSpec } from '../options/spec.js';

/** The features of one side of pairs (0: the source's, 1: the target's), each once, in order. */
export const featuresOf = (pairs: readonly { readonly pair: Pair }[], side: 0 | 1): number[] =>
  [...new Set(pairs.map(({ pair }) => pair[side]))].sort((a, b) => a - b);

/** The feature maps of a network. They do not depend on the count of classes. */
export const featureMaps = ({ network, width, size }: Pick<SourceSpec, 'network' | 'width' | 'size'>) =>
  describeNetwork({ name: network, classes: 1, width }, size).features;

/** Names a network's feature by its index: "8: 64@8×8". */
export function featureNames(network: Parameters<typeof featureMaps>[0]): (index: number) => string {
  const features = featureMaps(network);
  return (index) => {
    const { channels, size } = features[index] ?? {};
    return channels === undefined ? String(index) : `${index}: ${channels}@${size}×${size}`;
  };
}
