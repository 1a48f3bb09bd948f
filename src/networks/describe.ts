import { addon, type NetworkDescription, type NetworkSpec } from '../native/addon.js';
import { guarded } from '../options/guarded.js';
import { defaultSize } from '../options/networks.js';

/** The number of trained parameters, without running statistics. */
export function countParameters(network: NetworkSpec): number {
  const { parameters } = describeNetwork(network);
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((total, side) => total * side, 1), 0);
}

/** The names of the last layer's parameters. */
export function lastLayerOf(network: NetworkSpec): string[] {
  const names = describeNetwork(network).parameters.map(({ name }) => name);
  const [module] = (names.at(-1) as string).split('.');
  return names.filter((name) => name.startsWith(`${module}.`));
}

/**
 * A network's parameters, running statistics and feature maps for images of side `size` (pixels).
 * @throws L2TError INVALID_OPTION if there is no such network, or the images are too small for it.
 */
export function describeNetwork(network: NetworkSpec, size?: number): NetworkDescription {
  const spec = guarded('The network', () => ({ ...network }));
  return addon().describe(spec, size === undefined ? defaultSize(spec.name) : size);
}
