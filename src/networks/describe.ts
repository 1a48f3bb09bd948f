import { addon, type NetworkDescription, type NetworkSpec, type Pair } from '../native/addon.js';
import { elementCount } from '../native/tensor.js';
import { guarded } from '../options/arguments.js';
import { refused } from '../options/check.js';
import { defaultSize, networkNamed } from '../options/networks.js';
import type { SourceSpec } from '../options/spec.js';

/** The number of trained parameters, without running statistics. */
export function countParameters(network: NetworkSpec): number {
  const { parameters } = describeNetwork(network);
  return parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/**
 * Operations of a forward sweep of one image: the products of convolutions and linear layers, done directly; a
 * multiplication and an addition count as two.
 */
export function forwardFlops({ operations, parameters, sides }: NetworkDescription): number {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  return operations.reduce((sum, { kind, tensors }, i) => {
    if (kind !== 'conv2d' && kind !== 'linear') return sum;
    const products = elementCount(shapes.get(tensors.weight as string) as readonly number[]);
    return sum + 2 * products * (sides[i + 1] as number) ** 2;
  }, 0);
}

/** The names of the last layer's parameters. */
export function lastLayerOf(network: NetworkSpec): string[] {
  const names = describeNetwork(network).parameters.map(({ name }) => name);
  const last = names.at(-1) as string;
  const layer = last.slice(0, last.lastIndexOf('.') + 1);
  return names.filter((name) => name.startsWith(layer));
}

/**
 * A network's parameters, running statistics and feature maps for images of side `size` (pixels).
 * @throws L2TError INVALID_OPTION if there is no such network, or the images are too small for it.
 */
export function describeNetwork(network: NetworkSpec, size?: number): NetworkDescription {
  if (typeof network !== 'object' || network === null) {
    throw refused('The network', network, "an object such as { name: 'resnet18', classes: 10, width: 1 }");
  }
  const given = guarded('The network', () => ({ ...network }));
  const spec = given.maps ? given : { ...given, name: networkNamed(given.name) };
  return addon().describe(spec, size === undefined ? defaultSize(spec.name) : size);
}

/** The features of one side of pairs (0: the source's, 1: the target's), each once, in order. */
export const featuresOf = (pairs: readonly { readonly pair: Pair }[], side: 0 | 1): number[] =>
  [...new Set(pairs.map(({ pair }) => pair[side]))].sort((a, b) => a - b);

/** The feature maps of a network. They do not depend on the count of classes. */
export const featureMaps = (source: Pick<SourceSpec, 'network' | 'width' | 'size' | 'onnx'>) =>
  describeNetwork(networkOf(source, 1), source.size).features;

/** The network of a source, or of a target. */
export const networkOf = (
  { network, width, onnx }: Pick<SourceSpec, 'network' | 'width' | 'onnx'>,
  classes: number,
): NetworkSpec => ({ name: network, classes, width, ...(onnx && { maps: onnx.maps }) });

/** Names a network's feature by its index: "8: 64@8×8". */
export function featureNames(network: Parameters<typeof featureMaps>[0]): (index: number) => string {
  const features = featureMaps(network);
  return (index) => {
    const { channels, size } = features[index] ?? {};
    return channels === undefined ? String(index) : `${index}: ${channels}@${size}×${size}`;
  };
}
