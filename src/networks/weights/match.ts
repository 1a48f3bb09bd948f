import type { NamedTensor, NetworkSpec } from '../../native/addon.js';
import {
  elementCount,
  isFiniteInFloat32,
  isFloat,
  itemSize,
  type Tensor,
  type TensorMap,
} from '../../native/tensor.js';
import { defaultSize, type NetworkName, networkNames, networks } from '../../options/networks.js';
import { invalidWeights, weightsMismatch } from '../../system/failures.js';
import { quoted, someOf } from '../../system/printable.js';
import { describeNetwork, lastLayerOf } from '../describe.js';
import { isOfHead } from './load.js';

/** The options that describe a weights file, as messages name them. */
export interface OptionNames {
  readonly network: string;
  readonly width: string;
  readonly strict: string;
}

interface MatchOptions {
  /** The file's name, for messages. */
  readonly file: string;
  /** The network's name, for messages. */
  readonly network: string;
  readonly names: OptionNames;
  /** If true, extra entries are an error. */
  readonly strict: boolean;
}

/**
 * Selects a network's parameters and buffers (`expected`) from a file's `tensors`. `weights` has one tensor for each, in
 * that order, of any float type; `extra` has the names that the network does not have, for a warning. Of a last layer
 * without classes, no tensor need be there. `num_batches_tracked` is unused here, so it is neither expected nor extra.
 * @throws L2TError WEIGHTS_MISMATCH, naming what is missing, misshapen or (strict) extra; INVALID_WEIGHTS for a NaN or
 * an infinity.
 */
export function matchWeights(
  tensors: TensorMap,
  expected: readonly { readonly name: string; readonly shape: readonly number[] }[],
  { file, network, names: options, strict }: MatchOptions,
) {
  const names = new Set(expected.map(({ name }) => name));
  const missing = expected
    .filter(({ name, shape }) => !tensors.has(name) && !shape.includes(0))
    .map(({ name }) => name);
  const extra = [...tensors.keys()].filter((name) => !names.has(name) && !isBatchCount(name));
  if (missing.length > 0) {
    const others = extra.length > 0 ? `, and has ${list(extra)} instead` : '';
    throw weightsMismatch(
      `${file} lacks ${list(missing)} of a ${network}${others}: correct ${options.network} or give another file.`,
    );
  }
  const weights = expected.map(({ name, shape }): NamedTensor => {
    const tensor = tensors.get(name) ?? { dtype: 'float32', shape, data: new Uint8Array() };
    const where = `${file}: ${quoted(name)}`;
    if (tensor.shape.length !== shape.length || tensor.shape.some((length, i) => length !== shape[i])) {
      const [has, needs] = [tensor.shape, shape].map((sizes) => `[${sizes.join(', ')}]`);
      throw weightsMismatch(
        `${where} has shape ${has} where a ${network} needs ${needs}: check ${options.network} and ${options.width}.`,
      );
    }
    requireFloats(tensor, where);
    return { name, ...tensor };
  });
  if (strict && extra.length > 0) {
    throw weightsMismatch(
      `${file} has ${list(extra)}, which a ${network} does not: leave out ${options.strict} or give another file.`,
    );
  }
  return { weights, extra };
}

/** Checks for `num_batches_tracked` of PyTorch's batch norm, which is unused here. */
const isBatchCount = (name: string): boolean => /^(.*\.)?num_batches_tracked$/s.test(name);

function requireFloats(tensor: Tensor, where: string): void {
  const { dtype, shape, data } = tensor;
  if (!isFloat(dtype)) {
    throw weightsMismatch(`${where} has dtype ${dtype}, which is no float type: save it as float32.`);
  }
  if (elementCount(shape) * itemSize(dtype) !== data.length) {
    throw weightsMismatch(`${where} has ${data.length} bytes, which are not those of its shape and dtype.`);
  }
  if (isFiniteInFloat32(tensor)) return;
  throw invalidWeights(
    `${where} has numbers that are NaN or infinite in float32: they are damaged, or diverged in training. Use other weights.`,
  );
}

/** With the wrong network, hundreds are missing. */
const list = (names: readonly string[]): string => someOf(names, 5, quoted);

/**
 * The number of classes: the rows of the last linear layer, which is the first of `layers` that the file has; 0 if it has
 * none.
 * @throws L2TError WEIGHTS_MISMATCH if it does not have two dimensions.
 */
export function classesOf(tensors: TensorMap, file: string, layers: readonly string[]): number {
  const found = layers.flatMap((name) => tensors.get(name) ?? []);
  const layer = found.find(({ shape }) => shape.length === 2);
  if (layer !== undefined || found.length === 0) return layer?.shape[0] ?? 0;
  throw weightsMismatch(
    `${file} has no ${layers.join(' or ')} of two dimensions, so its number of classes is unknown: is it a network of this package?`,
  );
}

/** The parameters and running statistics of a network. */
export function tensorsOf(network: NetworkSpec) {
  const { parameters, buffers } = describeNetwork(network, defaultSize(network.name));
  return [...parameters, ...buffers];
}

/** timm calls the tensors of some networks by other names than torchvision. `expected`: the network that the caller names. */
export function refuseTimm(tensors: TensorMap, path: string, expected?: NetworkName): void {
  const having = networkNames.filter((name) => tensors.has(networks[name].timmTensor ?? ''));
  const found = having.filter((name) => name === expected);
  const [first, ...others] = found.length > 0 ? found : having;
  if (first === undefined) return;
  throw weightsMismatch(
    `${path} has timm's names of tensors, such as ${networks[first].timmTensor}, which are not read: use torchvision's ` +
      `weights of ${[first, ...others].join(' or ')}, such as torchvision.models.${first}(weights='DEFAULT').state_dict().`,
  );
}

/** The names of the last layer's weight, of this network or of all. */
export function lastWeights(network: NetworkName | undefined): string[] {
  const names = network === undefined ? networkNames : [network];
  return [...new Set(names.map((name) => lastLayerOf({ name, classes: 1, width: 1 })[0] as string))];
}

/** @throws L2TError WEIGHTS_MISMATCH if the network has no last layer. */
export function requireLastLayer({ name, classes }: NetworkSpec): void {
  if (classes > 0) return;
  const [weight] = lastLayerOf({ name, classes: 1, width: 1 });
  throw weightsMismatch(
    `The ${name} has no last layer (${weight}), so it tells no classes apart: use a file that has one, or train one with {targetInit}.`,
  );
}

/**
 * The network that has exactly the file's entries, or else one that has them apart from the head, such as `preferred`;
 * undefined if there is none.
 */
export function networkOf(tensors: TensorMap, width: number, preferred?: NetworkName): NetworkName | undefined {
  const fits = (name: NetworkName, otherHead: boolean): boolean => {
    const [classes = 0] = lastWeights(name).map((layer) => tensors.get(layer)?.shape[0]);
    const expected = tensorsOf({ name, classes, width }).filter(({ shape }) => !shape.includes(0));
    const names = new Set(expected.map((entry) => entry.name));
    const isKnown = (entry: string) => names.has(entry) || isBatchCount(entry) || (otherHead && isOfHead(entry));
    return (
      (otherHead || classes > 0) &&
      expected.every((entry) => String(tensors.get(entry.name)?.shape) === String(entry.shape)) &&
      [...tensors.keys()].every(isKnown)
    );
  };
  const exact = networkNames.find((name) => fits(name, false));
  if (exact !== undefined) return exact;
  return [...(preferred === undefined ? [] : [preferred]), ...networkNames].find((name) => fits(name, true));
}
