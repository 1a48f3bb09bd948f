import type { Normalisation } from '../native/contract.js';

/** The networks, each of which can be a source or a target. */
export const networkNames = ['resnet20', 'resnet32', 'vgg9_bn', 'resnet18', 'resnet34'] as const;
/** The name of a network. */
export type NetworkName = (typeof networkNames)[number];

/** The networks that torchvision has, too. Their tensors have the names of torchvision's. */
export const torchvisionNetworks: readonly NetworkName[] = ['resnet18', 'resnet34'];

/** ImageNet's mean and standard deviation per channel, of pixels scaled to [0, 1]. */
export const imagenetNormalisation: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Side of the images that a network is meant for, pixels. */
export function defaultSize(network: string): number {
  return network === 'resnet18' || network === 'resnet34' ? 224 : 32;
}

/** The smallest default batch. */
const smallestBatch = 32;

/**
 * The default batch: 128 images a step, or 64 if `size` is at least 224 pixels. With few training `images` it is halved
 * until an epoch has `fewestSteps` steps, but not below 32.
 */
export function defaultBatch(size: number, images = Number.POSITIVE_INFINITY, fewestSteps = 1): number {
  let batch = size >= 224 ? 64 : 128;
  while (batch > smallestBatch && images < fewestSteps * batch) batch /= 2;
  return batch;
}
