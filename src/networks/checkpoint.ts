import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { NamedTensor, NetworkSpec, Normalisation } from '../native/addon.js';
import { type Tensor, type TensorMap, toTensorMap } from '../native/tensor.js';
import { aMessageListener, anObject, guarded, requirePath, takeOptions } from '../options/arguments.js';
import { refused } from '../options/check.js';
import {
  defaultSize,
  imagenetNormalisation,
  type NetworkAlias,
  type NetworkName,
  networkNamed,
  networkNames,
  networks,
} from '../options/networks.js';
import { networkSchema } from '../options/schemas.js';
import { checkpointPath } from '../options/sources.js';
import { invalidOption, invalidRun, weightsMismatch } from '../system/failures.js';
import { writeFileAtomic } from '../system/files.js';
import { printable, someOf } from '../system/printable.js';
import { describeNetwork, lastLayerOf } from './describe.js';
import {
  type Described,
  damaged,
  describedBy,
  exportedBy,
  metadataOf,
  normalisationSchema,
  sizeSchema,
  widthSchema,
} from './metadata.js';
import { withHash } from './weights/content-hash.js';
import { isOfHead, loadWeights, type Weights } from './weights/load.js';
import { classesOf, isBatchCount, matchWeights, type OptionNames } from './weights/match.js';
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
 * @throws L2TError INVALID_RUN if the run has saved no network yet.
 */
export async function weightsFile(path: string, onWarning?: (message: string) => void): Promise<string> {
  const [best, state] = [join(path, bestName), join(path, stateName)];
  if (existsSync(best)) {
    const unfinished = existsSync(state) && !(await readMetadata(state)).has('result');
    if (unfinished) onWarning?.(`the run in ${printable(path)} is not finished: this is its best network so far`);
    return best;
  }
  if (!existsSync(join(path, 'options.yaml'))) return path;
  throw invalidRun(`${path} holds a run that has saved no network yet: wait for its first epoch, or give another one.`);
}

/**
 * A checkpoint in a file, read as `loadCheckpoint` does, or one in memory, checked. Of the options, a checkpoint in
 * memory takes `size` alone: the others say how a file is read.
 */
export async function readCheckpoint(given: string | Checkpoint, options: CheckpointOptions): Promise<Checkpoint> {
  if (typeof given === 'string') return loadCheckpoint(given, options);
  const { network: name, width, strict, size, names = checkpointNames } = options;
  if ((name ?? width ?? strict) !== undefined) {
    throw invalidOption('{network}, {width} and {strict} say how a file is read: a checkpoint in memory needs none.');
  }
  const checkpoint = ownCheckpoint(given, "a path, or a run's result.network", names);
  return { ...checkpoint, size: size ?? checkpoint.size };
}

/** A copy of a caller's checkpoint, checked: the caller may change the original while the copy is in use. */
function ownCheckpoint(given: unknown, allowed?: string, names = checkpointNames): Checkpoint {
  const checkpoint = requireCheckpoint(given, allowed);
  const { network } = checkpoint;
  const copies = guarded('The checkpoint', () =>
    checkpoint.weights.map((tensor) => ({ ...tensor, data: new Uint8Array(tensor.data) })),
  );
  const match = { file: 'The checkpoint', network: network.name, names, strict: false };
  return { ...checkpoint, weights: matchWeights(toTensorMap(copies), tensorsOf(network), match).weights };
}

/** The parameters and running statistics of a network. */
function tensorsOf(network: Checkpoint['network']) {
  const { parameters, buffers } = describeNetwork(network, defaultSize(network.name));
  return [...parameters, ...buffers];
}

export function toCheckpoint({ tensors, metadata }: Weights, path: string, options: CheckpointOptions): Checkpoint {
  const said = describedBy(metadata, path);
  const names = options.names ?? checkpointNames;
  const wanted = options.network && (networkNamed(options.network) as NetworkName);
  refuseTimm(tensors, path, wanted);
  const held = said?.network ?? networkOf(tensors, options.width ?? 1);
  requireExpected(`${path} holds`, names.network, held && `a ${held}`, wanted && `a ${wanted}`);
  requireExpected(`${path} has the width`, names.width, said?.width, options.width);
  const name = wanted ?? held;
  const classes = countClasses(tensors, path, said, name);
  if (name === undefined) {
    const which = `${names.network}, one of ${networkNames.join(', ')}`;
    throw invalidOption(`${path} does not say which network it holds, and its entries fit none: give ${which}.`);
  }
  if (wanted === undefined && said === undefined) options.onNote?.(`${printable(path)} has the entries of a ${name}`);
  const network = { name, classes, width: options.width ?? said?.width ?? 1 };
  const more = said ?? exportedBy(metadata, path);
  const match = { file: path, network: name, names, strict: options.strict ?? false };
  const expected = tensorsOf(network);
  const empty = expected
    .filter(({ shape }) => shape.includes(0))
    .map(({ name, shape }) => [name, emptyOf(shape)] as const);
  const { weights, extra } = matchWeights(new Map([...tensors, ...empty]), expected, match);
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

/** timm calls the tensors of some networks by other names than torchvision. `wanted`: the network that is expected. */
function refuseTimm(tensors: TensorMap, path: string, wanted?: NetworkName): void {
  const having = networkNames.filter((name) => tensors.has(networks[name].timmTensor ?? ''));
  const found = having.filter((name) => name === wanted);
  const [first, ...others] = found.length > 0 ? found : having;
  if (first === undefined) return;
  throw weightsMismatch(
    `${path} has timm's names of tensors, such as ${networks[first].timmTensor}, which are not read: use torchvision's ` +
      `weights of ${[first, ...others].join(' or ')}, such as torchvision.models.${first}(weights='DEFAULT').state_dict().`,
  );
}

/** The names of the last layer's weight, of this network or of all. */
function lastWeights(network: NetworkName | undefined): string[] {
  const names = network === undefined ? networkNames : [network];
  return [...new Set(names.map((name) => lastLayerOf({ name, classes: 1, width: 1 })[0] as string))];
}

/** A tensor of a last layer that a file does not have. */
const emptyOf = (shape: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: new Uint8Array(0) });

/**
 * The number of classes of the weights; 0 if a network is known, and they hold no last layer.
 * @throws L2TError WEIGHTS_MISMATCH if they hold no network; INVALID_WEIGHTS if the metadata says another number.
 */
function countClasses(tensors: TensorMap, path: string, said?: Described, network?: NetworkName): number {
  const layers = lastWeights(network);
  const classes = classesOf(tensors, path, layers);
  if (said !== undefined && said.classes !== classes) throw damaged(path, 'classes');
  if (classes > 0 || network !== undefined) return classes;
  throw weightsMismatch(`${path} has no ${layers.join(' or ')}: is it a network of this package?`);
}

/** @throws L2TError WEIGHTS_MISMATCH if the network has no last layer. */
export function requireLastLayer({ name, classes }: NetworkSpec): void {
  if (classes > 0) return;
  const [weight] = lastLayerOf({ name, classes: 1, width: 1 });
  throw weightsMismatch(
    `The ${name} has no last layer (${weight}), so it tells no classes apart: use a file that has one, or train one with {targetInit}.`,
  );
}

/** What a weights file shows of its network. */
export type HeldNetwork = Awaited<ReturnType<typeof networkIn>>;

/**
 * Looks into a weights file for its network, of this width: the one that it names, or whose entries it has. Size, pixels,
 * and width are those that the file says.
 * @throws L2TError INVALID_WEIGHTS, WEIGHTS_MISMATCH, FILE_ACCESS.
 */
export async function networkIn(given: string, width = 1) {
  const path = await weightsFile(given);
  const { tensors, metadata } = await loadWeights(path);
  refuseTimm(tensors, path);
  const said = describedBy(metadata, path);
  const network = said?.network ?? networkOf(tensors, width);
  countClasses(tensors, path, said, network);
  return { network, size: said?.size, width: said?.width };
}

/** Throws if the file's value `found` is not the caller's `expected`. The message is `what` followed by `found`. */
function requireExpected(what: string, option: string, found?: string | number, expected?: string | number): void {
  if (found === undefined || expected === undefined || found === expected) return;
  throw invalidOption(`${what} ${found}, where ${expected} is expected: correct ${option} or give another file.`);
}

/** The network that has exactly the file's entries, apart from a last layer or another head; undefined if there is none. */
export function networkOf(tensors: TensorMap, width: number): NetworkName | undefined {
  return networkNames.find((name) => {
    const [classes = 0] = lastWeights(name).map((layer) => tensors.get(layer)?.shape[0]);
    const expected = tensorsOf({ name, classes, width }).filter(({ shape }) => !shape.includes(0));
    const names = new Set(expected.map((entry) => entry.name));
    return (
      expected.every((entry) => String(tensors.get(entry.name)?.shape) === String(entry.shape)) &&
      [...tensors.keys()].every((entry) => names.has(entry) || isBatchCount(entry) || isOfHead(entry))
    );
  });
}

/**
 * Writes a checkpoint as a safetensors file, completely or not at all. The file has the weights of the moment of the
 * call.
 * @throws L2TError FILE_ACCESS; INVALID_OPTION if `checkpoint` or `path` is not valid; WEIGHTS_MISMATCH, INVALID_WEIGHTS.
 */
export async function saveCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const own = ownCheckpoint(checkpoint);
  await writeFileAtomic(requirePath(path, 'The file to write'), checkpointChunks(own));
}

/** The bytes of a checkpoint's file, in parts. */
export function checkpointChunks({ network, size, classNames, normalisation, weights }: Checkpoint): Uint8Array[] {
  const tensors = toTensorMap(weights);
  return safetensorsChunks(tensors, withHash(tensors, metadataOf(network, size, classNames, normalisation)));
}

/** As the metadata of a file, so that what is written can be read again. */
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
