import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { L2TError } from '../errors.js';
import type { NamedTensor, NetworkSpec, Normalisation } from '../native/addon.js';
import { toTensorMap } from '../native/tensor.js';
import { aMessageListener, anObject, guarded, requirePath, takeOptions } from '../options/arguments.js';
import { refused } from '../options/check.js';
import {
  defaultSize,
  imagenetNormalisation,
  type NetworkAlias,
  type NetworkName,
  networkNamed,
  networkNames,
  normalisationSchema,
} from '../options/networks.js';
import { networkSchema } from '../options/schemas.js';
import { checkpointPath, isOnnx } from '../options/sources.js';
import { invalidOption, invalidRun, invalidWeights, weightsMismatch } from '../system/failures.js';
import { writeFileAtomic } from '../system/files.js';
import { parseJson } from '../system/json.js';
import { printable, someOf } from '../system/printable.js';
import { describeNetwork } from './describe.js';
import { lostHash, withHash } from './weights/content-hash.js';
import { loadWeights, type Weights } from './weights/load.js';
import {
  classesOf,
  lastWeights,
  matchWeights,
  networkOf,
  type OptionNames,
  refuseTimm,
  tensorsOf,
} from './weights/match.js';
import { readMetadata, safetensorsChunks } from './weights/safetensors.js';

/** A network with its weights and everything needed to use it. */
export interface Checkpoint {
  /** The network's name, number of classes (0: its file has no last layer) and width. */
  readonly network: NetworkSpec & {
    /** Its name. */
    readonly name: NetworkName;
  };
  /** Side of its images, pixels. */
  readonly size: number;
  /** Names by class index; undefined if the file does not hold them. */
  readonly classNames: readonly string[] | undefined;
  /** How pixels are normalised before the network reads them. */
  readonly normalisation: Normalisation;
  /** Parameters, then running statistics, in the network's order. */
  readonly weights: readonly NamedTensor[];
}

/** How to read a checkpoint, where it does not say so itself. */
export interface CheckpointOptions {
  /** Needed if the file does not name its network. */
  readonly network?: NetworkName | NetworkAlias | undefined;
  /** Multiplies the network's channel counts: in (0, 8], by default 1. */
  readonly width?: number | undefined;
  /** Side of its images, pixels, from 8 to 1024; by default the network's usual one. */
  readonly size?: number | undefined;
  /** If true, entries that the network does not have are an error, not a warning. */
  readonly strict?: boolean | undefined;
  /** The options that messages name, where they are not those of this call: '{target}' for '{network}'. */
  readonly names?: OptionNames | undefined;
  /** Called with a message for each problem that does not stop the loading. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with a message if the file does not name its network, and its tensors show it. */
  readonly onNote?: ((message: string) => void) | undefined;
}

/** The files of a run's folder with the network of its result, and with its state. */
export const bestName = 'best.safetensors';
export const stateName = 'state.safetensors';
/** In the folder of `train`: its options and what it decided. */
export const decisionsName = 'decisions.json';

const loadingSchema = networkSchema.pick({ network: true, width: true, size: true, strict: true });

/** The options as messages name them (options/spelling.ts). */
export const checkpointNames: OptionNames = { network: '{network}', width: '{width}', strict: '{strict}' };

const loadingControls = {
  names: anObject<OptionNames>('an object with the strings network, width and strict', {
    network: 'string',
    width: 'string',
    strict: 'string',
  }),
  onWarning: aMessageListener,
  onNote: aMessageListener,
};

/**
 * Reads a checkpoint: a weights file, or the folder of a run, whose best network it then is. A safetensors file of this
 * package describes its network completely. For other safetensors files and .pth files, the network and its number of
 * classes come from the weights, and the rest from the options or from defaults. `path` may also be the name of a source
 * that `l2t-native source get` has fetched.
 * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS; INVALID_RUN if the run has saved no network yet;
 *   INVALID_OPTION if the network is unknown, or the options contradict the file.
 */
export async function loadCheckpoint(path: string, given: CheckpointOptions = {}): Promise<Checkpoint> {
  const { options, control } = takeOptions(loadingSchema, given, loadingControls);
  const file = await weightsFile(requirePath(path, 'The checkpoint', checkpointPath), control.onWarning);
  return toCheckpoint(await loadWeights(file), file, { ...options, ...control });
}

/**
 * The file that the path of a checkpoint means: in a run's folder, that of its best network. Warns if the run is not
 * finished.
 * @throws L2TError INVALID_RUN if the run has saved no network yet, or the folder holds no run.
 */
export async function weightsFile(path: string, onWarning?: (message: string) => void): Promise<string> {
  if (isOnnx(path)) {
    throw invalidOption(
      `${path} is an ONNX file, which can be a source ({source}), but not be trained further, or be read as weights: give safetensors, .pth, or a run's folder.`,
    );
  }
  const [best, state] = [join(path, bestName), join(path, stateName)];
  if (existsSync(best)) {
    const unfinished = existsSync(state) && !(await readMetadata(state)).has('result');
    if (unfinished) onWarning?.(`the run in ${printable(path)} is not finished: this is its best network so far`);
    return best;
  }
  if (existsSync(join(path, decisionsName))) {
    throw invalidRun(
      `${path} is the folder of train, which has no result yet: wait for it, or go on with l2t-native train --resume.`,
    );
  }
  if (!existsSync(join(path, 'options.yaml'))) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
    throw invalidRun(
      `${path} is a folder that holds no run: name a weights file or the folder of a run (an experiment's runs are folders in its own).`,
    );
  }
  throw invalidRun(`${path} holds a run that has saved no network yet: wait for its first epoch, or give another one.`);
}

/**
 * A checkpoint in a file, read as `loadCheckpoint` does, or one in memory, checked. Of the options, a checkpoint in
 * memory takes `size` alone: the others say how a file is read.
 */
export async function readCheckpoint(
  pathOrCheckpoint: string | Checkpoint,
  options: CheckpointOptions,
): Promise<Checkpoint> {
  if (typeof pathOrCheckpoint === 'string') return loadCheckpoint(pathOrCheckpoint, options);
  const { network: name, width, strict, size, names = checkpointNames } = options;
  if ((name ?? width ?? strict) !== undefined) {
    throw invalidOption('{network}, {width} and {strict} say how a file is read: a checkpoint in memory needs none.');
  }
  const checkpoint = ownCheckpoint(pathOrCheckpoint, "a path, or a run's result.network", names);
  return { ...checkpoint, size: size ?? checkpoint.size };
}

/** A copy of a caller's checkpoint, checked: the caller may change the original while the copy is in use. */
function ownCheckpoint(value: unknown, allowed?: string, names = checkpointNames): Checkpoint {
  const checkpoint = requireCheckpoint(value, allowed);
  const { network } = checkpoint;
  const copies = guarded('The checkpoint', () =>
    checkpoint.weights.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data) })),
  );
  const match = { file: 'The checkpoint', network: network.name, names, strict: false };
  return { ...checkpoint, weights: matchWeights(toTensorMap(copies), tensorsOf(network), match).weights };
}

export function toCheckpoint(file: Weights, path: string, options: CheckpointOptions): Checkpoint {
  const { tensors, metadata } = file;
  const names = options.names ?? checkpointNames;
  const expected = options.network && (networkNamed(options.network) as NetworkName);
  const { description, found, classes } = shownBy(file, path, options.width, expected);
  requireExpected(`${path} holds`, names.network, found && `a ${found}`, expected && `a ${expected}`);
  requireExpected(`${path} has the width`, names.width, description?.width, options.width);
  const name = expected ?? found;
  if (name === undefined) {
    const which = `${names.network}, one of ${networkNames.join(', ')}, or another ${names.width} than ${options.width ?? 1}`;
    throw invalidOption(`${path} does not say which network it holds, and its entries fit none: give ${which}.`);
  }
  if (expected === undefined && description === undefined)
    options.onNote?.(`${printable(path)} has the entries of a ${name}`);
  const network = { name, classes, width: options.width ?? description?.width ?? 1 };
  const more = description ?? exportedBy(metadata, path);
  const match = { file: path, network: name, names, strict: options.strict ?? false };
  const { weights, extra } = matchWeights(tensors, tensorsOf(network), match);
  if (extra.length > 0) {
    options.onWarning?.(
      `${printable(path)} has entries that the network does not: ${someOf(extra, 10)} (${names.strict} refuses them)`,
    );
  }
  return {
    network,
    size: options.size ?? more?.size ?? defaultSize(name),
    classNames: more?.class_names?.length === classes ? more.class_names : undefined,
    normalisation: more?.normalisation ?? imagenetNormalisation,
    weights,
  };
}

/** Returns a file's description of its network, and the network and classes that its metadata or tensors show. */
function shownBy({ tensors, metadata }: Weights, path: string, width = 1, expected?: NetworkName) {
  const description = describedBy(metadata, path);
  refuseTimm(tensors, path, expected);
  const found = description?.network ?? networkOf(tensors, width, expected);
  const layers = lastWeights(found ?? expected);
  const classes = classesOf(tensors, path, layers);
  if (description !== undefined && description.classes !== classes) throw damaged(path, 'classes');
  if (classes === 0 && (found ?? expected) === undefined)
    throw weightsMismatch(`${path} has no ${layers.join(' or ')}: is it a network of this package?`);
  return { description, found, classes };
}

/**
 * Looks into a weights file for its network, of this width: the one that it names, or whose entries it has. Size, pixels,
 * and width are those that the file says.
 * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS.
 */
export async function networkIn(file: string, width?: number) {
  if (isOnnx(file)) return { network: undefined, size: undefined, width: undefined };
  const path = await weightsFile(file);
  const { description, found } = shownBy(await loadWeights(path), path, width);
  return { network: found, size: description?.size, width: description?.width };
}

/** Throws if the file's value `found` is not the caller's `expected`. The message is `what` followed by `found`. */
function requireExpected(what: string, option: string, found?: string | number, expected?: string | number): void {
  if (found === undefined || expected === undefined || found === expected) return;
  throw invalidOption(`${what} ${found}, where ${expected} is expected: correct ${option} or give another file.`);
}

/**
 * Writes a checkpoint as a safetensors file, completely or not at all. The file has the weights of the moment of the
 * call.
 * @throws L2TError FILE_ACCESS; INVALID_OPTION if `checkpoint` or `path` is not valid; WEIGHTS_MISMATCH, INVALID_WEIGHTS.
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const copied = ownCheckpoint(checkpoint);
  await writeFileAtomic(requirePath(path, 'The file to write'), checkpointChunks(copied));
}

/** The bytes of a checkpoint's file, in parts. They hold no time, path or host, so equal runs give equal bytes. */
export function checkpointChunks({ network, size, classNames = [], normalisation, weights }: Checkpoint): Uint8Array[] {
  const tensors = toTensorMap(weights);
  const features = describeNetwork(network, size).features.map(({ index, channels, size }) => ({
    index,
    channels,
    size,
  }));
  const metadata = {
    format: formatName,
    network: network.name,
    classes: String(network.classes),
    width: String(network.width),
    size: String(size),
    class_names: JSON.stringify(classNames),
    normalisation: JSON.stringify(normalisation),
    features: JSON.stringify(features),
  };
  return safetensorsChunks(tensors, withHash(tensors, new Map(Object.entries(metadata))));
}

/** The ranges are those of the options. */
const { width: widthSchema, size: sizeSchema } = networkSchema.shape;

const json = <S extends z.ZodType>(schema: S) =>
  z.string().transform((text, context): z.output<S> => {
    try {
      return schema.parse(parseJson(text)) as z.output<S>;
    } catch {
      context.addIssue('it is no JSON of the expected form');
      return z.NEVER;
    }
  });

/** The metadata of a safetensors file written by this package. */
const described = z.object({
  network: z.enum(networkNames),
  classes: json(z.int().min(0)),
  width: json(widthSchema),
  size: json(sizeSchema),
  class_names: json(z.array(z.string())),
  normalisation: json(normalisationSchema),
});
type Described = z.output<typeof described>;

/** Metadata that `export --to torchvision` writes beside PyTorch's names. */
const exported = described.pick({ size: true, class_names: true, normalisation: true }).partial({ class_names: true });

const formatName = 'l2t-native checkpoint 1';

/** Checks whether this package wrote the file. */
export const isOwn = (metadata: ReadonlyMap<string, string>): boolean => metadata.get('format') === formatName;

/** The network's description in a file's metadata; undefined if another program wrote the file. */
function describedBy(metadata: ReadonlyMap<string, string>, file: string): Described | undefined {
  if (!isOwn(metadata)) return undefined;
  if (lostHash(metadata)) throw damaged(file, 'sha256');
  const found = parsed(described, metadata, file);
  // No names: a network from a file without any was written.
  if ([0, found.classes].includes(found.class_names.length)) return found;
  throw damaged(file, 'class_names');
}

/** The same of a file of `export --to torchvision`. */
function exportedBy(metadata: ReadonlyMap<string, string>, file: string): z.output<typeof exported> | undefined {
  return metadata.has('size') && metadata.has('normalisation') ? parsed(exported, metadata, file) : undefined;
}

function parsed<S extends z.ZodType>(schema: S, metadata: ReadonlyMap<string, string>, file: string): z.output<S> {
  const result = schema.safeParse(Object.fromEntries(metadata));
  if (result.success) return result.data;
  throw damaged(file, String(result.error.issues[0]?.path[0]));
}

/** The error for a file with a wrong entry in its metadata. */
function damaged(file: string, entry: string): L2TError {
  return invalidWeights(`${file}: its metadata entry '${entry}' is damaged. Fetch or save it again.`);
}

/** Accepts the same checkpoints as `described` does from a file, so that every written file can be read. */
const checkpointSchema = z
  .object({
    network: z.object({ name: z.enum(networkNames), classes: z.int().min(0), width: widthSchema }),
    size: sizeSchema,
    classNames: z.array(z.string()).optional(),
    normalisation: normalisationSchema,
    weights: z.array(
      z.object({ name: z.string(), dtype: z.string(), shape: z.array(z.int()), data: z.instanceof(Uint8Array) }),
    ),
  })
  .refine(({ network, classNames = [] }) => [0, network.classes].includes(classNames.length), { path: ['classNames'] });

/** Checks a caller's checkpoint. @throws L2TError INVALID_OPTION, naming what is missing or wrong. */
export function requireCheckpoint(
  value: unknown,
  allowed = "a checkpoint, such as a run's result.network",
): Checkpoint {
  const parsed = guarded('The checkpoint', () => checkpointSchema.safeParse(value));
  if (parsed.success) return parsed.data as Checkpoint;
  const path = parsed.error.issues[0]?.path.map(String) ?? [];
  if (path.length === 0) throw refused('The checkpoint', value, allowed);
  throw invalidOption(`The checkpoint's ${path.join('.')} is missing or wrong: give ${allowed}.`);
}
