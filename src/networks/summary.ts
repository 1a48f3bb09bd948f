import { L2TError } from '../errors.js';
import type { NetworkDescription } from '../native/addon.js';
import { takeOptions } from '../options/arguments.js';
import type { Written } from '../options/check.js';
import { defaultSize, type NetworkName, networkNames, networks as rows } from '../options/networks.js';
import type { OwnHelp } from '../options/option-help.js';
import { networksSchema } from '../options/schemas.js';
import { countParameters, describeNetwork, forwardFlops } from './describe.js';

/** `l2t-native networks --help` says what each option is. */
export type NetworksOptions = Written<typeof networksSchema, never, OwnHelp['networks']>;

/** A network's costs, and its features that can be matched. */
export interface NetworkSummary {
  /** Its name. */
  readonly name: NetworkName;
  /** timm's name for it, where that is another one. */
  readonly alias: string | undefined;
  /** Whether torchvision's weight files of it are read, and written by `export --to torchvision`. */
  readonly torchvision: boolean;
  /** Side of its images, pixels. */
  readonly size: number;
  /** The factor of its channel counts. */
  readonly width: number;
  /** Classes, on which the count of parameters depends: ImageNet's 1,000. */
  readonly classes: number;
  /** Trained parameters, without running statistics. */
  readonly parameters: number;
  /**
   * Operations for one image in the products of convolutions and linear layers; a multiplication and an addition count
   * as two.
   */
  readonly flops: number;
  /** Feature maps; `candidate`: they can be paired. */
  readonly features: NetworkDescription['features'];
}

/**
 * The networks that there are, each for images of its usual size. With `size`, only the networks that take images of
 * that size: the others are left out.
 * @throws L2TError INVALID_OPTION; also if images of `size` are too small for `network`.
 */
export function networks(given: NetworksOptions = {}): NetworkSummary[] {
  const { network, ...options } = takeOptions(networksSchema, given, {}).options;
  if (network !== undefined) return [summary(network, options)];
  return networkNames.flatMap((name) => {
    try {
      return [summary(name, options)];
    } catch (error) {
      // The options are valid, so the images are too small for it.
      if (error instanceof L2TError && error.code === 'INVALID_OPTION') return [];
      throw error;
    }
  });
}

function summary(name: NetworkName, options: { readonly size?: number; readonly width?: number }): NetworkSummary {
  const { size = defaultSize(name), width = 1 } = options;
  const network = { name, classes: 1000, width };
  const description = describeNetwork(network, size);
  const { alias, torchvision = false } = rows[name];
  return {
    ...network,
    alias,
    torchvision,
    size,
    parameters: countParameters(network),
    flops: forwardFlops(description),
    features: description.features,
  };
}
