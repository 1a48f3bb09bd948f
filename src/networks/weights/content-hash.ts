import { createHash, type Hash } from 'node:crypto';
import type { NamedTensor } from '../../native/addon.js';
import type { Tensor, TensorMap } from '../../native/tensor.js';

/** The metadata entry with a file's own hash. */
const entry = 'sha256';

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function addTensor(hash: Hash, name: string, { dtype, shape, data }: Tensor): void {
  hash.update(JSON.stringify([name, dtype, shape])).update(data);
}

/** SHA-256, hex, of tensors in their order. It detects a flipped bit in a number, which no format check would find. */
export function hashTensors(tensors: readonly NamedTensor[]): string {
  const hash = createHash('sha256');
  for (const { name, ...tensor } of tensors) addTensor(hash, name, tensor);
  return hash.digest('hex');
}

/**
 * SHA-256, hex, of the whole content of a safetensors file except the entry `sha256` itself. It is computed over, in
 * order:
 *
 * 1. The metadata without `sha256`, as JSON: an array of [key, value], sorted by key.
 * 2. For each tensor, sorted by name: the JSON of [name, dtype, shape], such as ["fc.bias","float32",[10]], then its
 *    bytes as in the file.
 *
 * JSON is the output of JSON.stringify in UTF-8. Names and keys are sorted by UTF-16 code units. The order of the
 * tensors in the file does not matter, because other programs may change it when they copy a file.
 */
function contentHash(tensors: TensorMap, metadata: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([...metadata].filter(([key]) => key !== entry).sort(byName)));
  for (const [name, tensor] of [...tensors].sort(byName)) addTensor(hash, name, tensor);
  return hash.digest('hex');
}

/** The metadata with the entry `sha256` added. */
export const withHash = (tensors: TensorMap, metadata: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...metadata, [entry, contentHash(tensors, metadata)]]);

export const hasHash = (metadata: ReadonlyMap<string, string>): boolean => metadata.has(entry);

/**
 * Does the content have the hash in the entry `sha256`? True if there is no such entry: another program has made or
 * changed the file. Only files of this package are checked: in another program's file, an entry of that name may mean
 * something else.
 */
export function isIntact(tensors: TensorMap, metadata: ReadonlyMap<string, string>): boolean {
  return !hasHash(metadata) || !isOwn(metadata) || metadata.get(entry) === contentHash(tensors, metadata);
}

/** Checks whether a file is of this package, by its format entry or, in case that is damaged, by its other entries. */
function isOwn(metadata: ReadonlyMap<string, string>): boolean {
  const others = ['class_names', 'normalisation', 'features'];
  return metadata.get('format')?.startsWith('l2t-native ') === true || others.every((key) => metadata.has(key));
}

/** Checks whether a hash has another key: then the key `sha256` is damaged, and `isIntact` would check nothing. */
export const lostHash = (metadata: ReadonlyMap<string, string>): boolean =>
  !hasHash(metadata) && [...metadata.values()].some((text) => /^[0-9a-f]{64}$/.test(text));
