import { addon, type NetworkDescription, type NetworkSpec, type Normalisation } from './addon.js';
import { guarded } from './guarded.js';

/** The networks that can be trained, evaluated or learnt from. */
export const networkNames = ['resnet20', 'resnet32', 'vgg9_bn', 'resnet18', 'resnet34'] as const;
export type NetworkName = (typeof networkNames)[number];

/** ImageNet's mean and deviation, per channel, of pixels scaled to [0, 1]. */
export const imagenetNormalisation: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Side of the images that a network is meant for, pixels. */
export function defaultSize(network: string): number {
  return network === 'resnet18' || network === 'resnet34' ? 224 : 32;
}

/** The smallest batch that is chosen where no option says. */
const smallestBatch = 32;

/**
 * Images a step where no option says: 128, or 64 of side `size` from 224 pixels on; of few training `images` half of it, and half
 * again, until an epoch has `fewestSteps`, but never fewer than 32.
 */
export function defaultBatch(size: number, images = Number.POSITIVE_INFINITY, fewestSteps = 1): number {
  let batch = size >= 224 ? 64 : 128;
  while (batch > smallestBatch && images < fewestSteps * batch) batch /= 2;
  return batch;
}

/** Trained numbers of a network, running statistics not counted. */
export function countParameters(network: NetworkSpec): number {
  const { parameters } = describeNetwork(network);
  return parameters.reduce((sum, { shape }) => sum + shape.reduce((total, side) => total * side, 1), 0);
}

/**
 * A network's parameters, running statistics and feature maps for images of side `size` (pixels).
 * @throws L2TError INVALID_OPTION where there is no such network, or the images are too small for it.
 */
export function describeNetwork(network: NetworkSpec, size?: number): NetworkDescription {
  const spec = guarded('The network', () => ({ ...network }));
  return addon().describe(spec, size === undefined ? defaultSize(spec.name) : size);
}
