import type { Normalisation } from '../native/contract.js';

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
