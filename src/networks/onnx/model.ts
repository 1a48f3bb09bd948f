import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import type { Normalisation } from '../../native/contract.js';
import {
  imagenetNormalisation,
  normalisationSchema,
  normalisations,
  type OnnxNormalisation,
} from '../../options/networks.js';
import { invalidOption, invalidWeights } from '../../system/failures.js';
import { readFileBytes, readText, withFile } from '../../system/files.js';
import { parseJson } from '../../system/json.js';
import { someOf } from '../../system/printable.js';
import { defaultMaps, mapOf, type OnnxMap, offeredMaps } from './maps.js';
import { type Probe, probe } from './probe.js';

/** How to read an ONNX file, where it does not say so itself. */
export interface OnnxOptions {
  /** Names of the tensors to take as feature maps, in order; by default as `defaultMaps` says. */
  readonly maps?: readonly string[] | undefined;
  /** Tokens that are no part of the image; by default what there is besides the patches. */
  readonly tokens?: number | undefined;
  /** Side of the images, pixels. */
  readonly size?: number | undefined;
  /** A side to try where neither the file nor `size` says one: the target's. */
  readonly otherSize?: number | undefined;
  readonly normalisation?: OnnxNormalisation | undefined;
}

/** A checked ONNX file, ready to be run. */
export interface OnnxModel extends Pick<Probe, 'runtime' | 'batch' | 'input' | 'outputs'> {
  readonly path: string;
  /** SHA-256 of the whole file, in hexadecimal digits. */
  readonly sha256: string;
  /** Side of its images, pixels. */
  readonly size: number;
  /** How pixels in [0, 1] are normalised before the network reads them. */
  readonly normalisation: Normalisation;
  /** The origin of the normalisation, in words. */
  readonly normalisationFrom: string;
  /** The maps that are taken, in order. */
  readonly maps: readonly OnnxMap[];
  /** All maps through which every path from the images passes, in order. */
  readonly offered: readonly OnnxMap[];
  /** 0 if its first output is not B×classes. */
  readonly classes: number;
  readonly classNames: readonly string[] | undefined;
  /** Name of the tensor of logits; undefined if there are no classes. */
  readonly logits: string | undefined;
  /** The file. */
  readonly bytes: Uint8Array;
}

/** Protobuf's limit for a message. */
const maxBytes = 2 ** 31 - 1;
/** Side of the images, pixels, that is tried if nothing says it. */
const usualSize = 224;

/**
 * Reads and checks an ONNX file: it is run on one image in a process of its own.
 * @throws L2TError INVALID_WEIGHTS, INVALID_OPTION, FILE_ACCESS.
 */
export async function readOnnx(path: string, options: OnnxOptions): Promise<OnnxModel> {
  const length = await withFile(path, async (_handle, size) => size);
  if (length > maxBytes) throw invalidWeights(`${path} has more than 2 GiB, the most that an ONNX file can have.`);
  const beside = await preprocessorOf(path);
  const { size, otherSize, maps, tokens } = options;
  const sides = size === undefined ? [beside?.size, otherSize, usualSize].filter((side) => side !== undefined) : [size];
  const seen = await probe({ path, sides: [...new Set(sides)], maps: maps ?? [] }, length);
  if (size !== undefined && size !== seen.side) {
    throw invalidOption(
      `${path} takes images of ${seen.side}×${seen.side}, where ${size} is given: correct {sourceSize}.`,
    );
  }
  const offered = offeredMaps(seen, tokens);
  const bytes = await readFileBytes(path);
  const logits = seen.tensors.find(({ name }) => name === seen.logits);
  const hasClasses = logits?.dims.length === 2 && logits.type === 'float32' && logits.dims[0] === (seen.batch ?? 1);
  const classes = hasClasses ? (logits.dims[1] as number) : 0;
  const names = classNamesOf(seen.metadata);
  return {
    path,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    runtime: seen.runtime,
    size: seen.side,
    batch: seen.batch,
    ...normalisationOf(path, options.normalisation, seen.metadata, beside?.normalisation),
    maps: (maps ? namedMaps(path, maps, seen, tokens) : defaultMaps(offered)).map(withoutDepth),
    offered: offered.map(withoutDepth),
    classes,
    classNames: names?.length === classes ? names : undefined,
    input: seen.input,
    logits: classes > 0 ? seen.logits : undefined,
    outputs: seen.outputs,
    bytes,
  };
}

const withoutDepth = ({ depth: _, ...map }: OnnxMap & { readonly depth?: number }): OnnxMap => map;

/** @throws L2TError INVALID_OPTION if one of them is no feature map. */
function namedMaps(path: string, names: readonly string[], seen: Probe, tokens: number | undefined): OnnxMap[] {
  return names.map((asked) => {
    const tensor = seen.tensors.find(({ name }) => name === asked);
    if (tensor === undefined) {
      const passed = seen.tensors.filter(({ depth }) => depth !== undefined).map(({ name }) => name);
      throw invalidOption(
        `${path} has no tensor ${asked} that depends on the images: correct {sourceMaps}. Every path from the images passes ${someOf(passed, 40)}.`,
      );
    }
    const map = mapOf(tensor, seen, tokens);
    if (typeof map === 'object') return map;
    throw invalidOption(`${path}: the tensor ${asked} ${map}.`);
  });
}

/**
 * Requires that a model has feature maps.
 * @throws L2TError INVALID_OPTION, with the tensors that {sourceMaps} may name.
 */
export function requireMaps({ path, maps, offered }: OnnxModel): void {
  if (maps.length > 0) return;
  const list = offered.map(({ name, channels, side }) => `${name} (${channels}@${side}×${side})`);
  throw invalidOption(
    `${path} has no feature map of at least 2×2 that every path from the images passes: name some by {sourceMaps}. It has ${someOf(list, 20) || 'none of 1×1 either'}.`,
  );
}

const classNamesOf = ({ class_names: text }: Probe['metadata']) =>
  text === undefined ? undefined : parsedAs(z.array(z.string()), text);

/** JSON of that form, or undefined. */
function parsedAs<S extends z.ZodType>(schema: S, text: string): z.output<S> | undefined {
  try {
    return schema.parse(parseJson(text));
  } catch {
    return undefined;
  }
}

const positive = z.number().positive();

/** The normalisation: the option's, else what the file or the one beside it says, else ImageNet's. */
function normalisationOf(
  path: string,
  option: OnnxNormalisation | undefined,
  { normalisation: text, normalise }: Probe['metadata'],
  beside: Normalisation | undefined,
): Pick<OnnxModel, 'normalisation' | 'normalisationFrom'> {
  if (typeof option === 'string') return { normalisation: normalisations[option], normalisationFrom: 'the option' };
  if (option) {
    const [a, b, c, d, e, f] = option;
    return { normalisation: { mean: [a, b, c], std: [d, e, f] }, normalisationFrom: 'the option' };
  }
  if (normalise === 'inside') return { normalisation: normalisations.none, normalisationFrom: "the file's metadata" };
  if (text !== undefined && normalise === 'outside') {
    const normalisation = parsedAs(normalisationSchema, text);
    if (normalisation?.std.every((each) => each > 0))
      return { normalisation, normalisationFrom: "the file's metadata" };
    throw invalidWeights(`${path}: its metadata entry 'normalisation' is damaged. Export it again.`);
  }
  if (beside) return { normalisation: beside, normalisationFrom: preprocessorName };
  return { normalisation: imagenetNormalisation, normalisationFrom: 'ImageNet, since nothing says another' };
}

/** The file of transformers that says how images are prepared. */
const preprocessorName = 'preprocessor_config.json';
const three = z.tuple([z.number(), z.number(), z.number()]);
const side = z.int().min(1).max(4096);
const sizeSchema = z.union([
  side,
  z.object({ height: side, width: side }).transform(({ height, width }) => (height === width ? height : undefined)),
  z.object({ shortest_edge: side }).transform(({ shortest_edge }) => shortest_edge),
]);
const preprocessor = z.object({
  image_mean: three.optional(),
  image_std: z.tuple([positive, positive, positive]).optional(),
  rescale_factor: positive.optional(),
  crop_size: sizeSchema.optional(),
  size: sizeSchema.optional(),
});

/** Reads `preprocessor_config.json` beside the file, if there is one. @throws L2TError INVALID_WEIGHTS. */
async function preprocessorOf(path: string): Promise<{ normalisation?: Normalisation; size?: number } | undefined> {
  const file = join(dirname(path), preprocessorName);
  if (!existsSync(file)) return undefined;
  const found = parsedAs(preprocessor, await readText(file));
  if (found === undefined) {
    throw invalidWeights(`${file} is damaged: correct it, or move it away and give {sourceNormalisation}.`);
  }
  const { image_mean: mean, image_std: std, rescale_factor: factor = 1 / 255, crop_size: crop, size } = found;
  // The network reads byte · factor, and then mean and deviation; a pixel is byte / 255.
  const scaled = (values: readonly [number, number, number]) =>
    values.map((each) => each / (255 * factor)) as [number, number, number];
  return {
    ...((crop ?? size) && { size: crop ?? size }),
    ...(mean && std && { normalisation: { mean: scaled(mean), std: scaled(std) } }),
  };
}
