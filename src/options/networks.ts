import * as z from 'zod';
import type { Normalisation } from '../native/contract.js';

/** Facts about a network besides its operations, which are in `native/nets/`. */
interface NetworkRow {
  /** Side of the images that it is meant for, pixels. */
  readonly size: number;
  /** True if torchvision has it, with the same names of tensors. */
  readonly torchvision?: true;
  /** timm's name for it, if it differs. */
  readonly alias?: string;
  /** A tensor that only timm's files have, if timm's names of tensors differ from torchvision's. */
  readonly timmTensor?: string;
}

const rows = {
  resnet20: { size: 32 },
  resnet32: { size: 32 },
  vgg9_bn: { size: 32 },
  resnet18: { size: 224, torchvision: true },
  resnet34: { size: 224, torchvision: true },
  resnet50: { size: 224, torchvision: true },
  resnet101: { size: 224, torchvision: true },
  wide_resnet50_2: { size: 224, torchvision: true },
  resnext50_32x4d: { size: 224, torchvision: true },
  vgg11_bn: { size: 224, torchvision: true, timmTensor: 'pre_logits.fc1.weight' },
  vgg16_bn: { size: 224, torchvision: true, timmTensor: 'pre_logits.fc1.weight' },
  mobilenet_v2: { size: 224, torchvision: true, alias: 'mobilenetv2_100', timmTensor: 'conv_stem.weight' },
  resnet20_a: { size: 32 },
  resnet32_a: { size: 32 },
} as const satisfies Readonly<Record<string, NetworkRow>>;

/** The name of a network. */
export type NetworkName = keyof typeof rows;

/** The table of networks. The native side has the same names, in the same order. */
export const networks: Readonly<Record<NetworkName, NetworkRow>> = rows;

/** The networks, each of which can be a source or a target. */
export const networkNames = Object.keys(rows) as readonly NetworkName[];

/** The networks that torchvision has, too. Their tensors have the names of torchvision's. */
export const torchvisionNetworks = networkNames.filter((name) => networks[name].torchvision);

/** timm's names of networks that have another name here. */
export type NetworkAlias = Extract<(typeof rows)[NetworkName], Required<Pick<NetworkRow, 'alias'>>>['alias'];
const aliases = new Map(
  networkNames.flatMap((name) => (networks[name].alias ? [[networks[name].alias as NetworkAlias, name] as const] : [])),
);

/** Returns the name here of a network that may be called by timm's name; any other text as it is. */
export const networkNamed = (name: string): string => aliases.get(name as NetworkAlias) ?? name;

/** A network as an option names it: by its name, or by timm's. The result is its name. */
export const writtenNetwork = z
  .enum([...networkNames, ...aliases.keys()])
  .transform((name) => networkNamed(name) as NetworkName);

/** ImageNet's mean and standard deviation per channel, of pixels scaled to [0, 1]. */
export const imagenetNormalisation: Normalisation = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

/** Means and deviations of an image's three channels. */
const three = z.tuple([z.number(), z.number(), z.number()]);
export const normalisationSchema = z.object({ mean: three, std: three });

/** Usual normalisations of ONNX files by name, of pixels in [0, 1]. With `bytes`, the network reads 0…255. */
export const normalisations = {
  imagenet: imagenetNormalisation,
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  clip: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
  none: { mean: [0, 0, 0], std: [1, 1, 1] },
  bytes: { mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
} as const satisfies Readonly<Record<string, Normalisation>>;

/** A normalisation by its name, or three means and three deviations. */
export type OnnxNormalisation = keyof typeof normalisations | readonly [number, number, number, number, number, number];

/** Returns the side of the images that a network is meant for, pixels. */
export function defaultSize(network: string): number {
  return networks[networkNamed(network) as NetworkName]?.size ?? 32;
}

/** Images of at least this side, in pixels, are large: they are decoded when needed, and keep their proportions. */
export const largeSize = 64;

/** The short side to which a large image is resized before its centre is cropped: 256 for 224. */
export const shortSide = (size: number): number => Math.round((size * 256) / 224);

/** The target that the paper trains on images of this side, pixels: one for small images, or one for large ones. */
export const paperTarget = (side: number): NetworkName => (side < 64 ? 'vgg9_bn' : 'resnet18');

/** The smallest default batch. */
const smallestBatch = 32;
/** With the default batch, an epoch has at least this many steps, if the batch need not be smaller than the smallest. */
const minSteps = 16;

/**
 * Returns the default batch: 128 images a step, or 64 if `size` is at least 224 pixels. With few training `images` it
 * is halved until an epoch has 16 steps, but not below 32.
 */
export function defaultBatch(size: number, images = Number.POSITIVE_INFINITY): number {
  let batch = size >= 224 ? 64 : 128;
  while (batch > smallestBatch && images < minSteps * batch) batch /= 2;
  return batch;
}

/** K of the top-K accuracy, which is measured if there are more classes. */
export const defaultTop = 5;

/** The forms of a checkpoint that options and arguments take, for messages. */
export const checkpointForms = "a weights file (safetensors or .pth), a run's folder or a name of source list";

/** `OnnxNormalisation` as options write it: a name, or six numbers that are separated by commas. */
export const writtenNormalisation = z.string().refine((text) => {
  const numbers = text.split(',').map(Number);
  return (
    text in normalisations ||
    (numbers.length === 6 && numbers.every(Number.isFinite) && numbers.slice(3).every((each) => each > 0))
  );
});

export const normalisationOf = (text: string): OnnxNormalisation =>
  (text in normalisations ? text : text.split(',').map(Number)) as OnnxNormalisation;
