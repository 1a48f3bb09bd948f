import { addon, type NetworkDescription, type NetworkSpec } from '../native/addon.js';
import { elementCount } from '../native/tensor.js';
import { guarded } from '../options/arguments.js';
import { refused } from '../options/check.js';
import { defaultSize, networkNamed } from '../options/networks.js';

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
  const spec = { ...given, name: networkNamed(given.name) };
  return addon().describe(spec, size === undefined ? defaultSize(spec.name) : size);
}
