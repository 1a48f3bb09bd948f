import { createHash, type Hash } from 'node:crypto';
import type { NamedTensor } from '../../native/addon.js';
import type { Tensor, TensorMap } from '../../native/tensor.js';

/** The metadata entry with a file's own hash. */
const entry = 'sha256';

const isSha256 = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function addTensor(hash: Hash, name: string, { dtype, shape, data }: Tensor): void {
  hash.update(JSON.stringify([name, dtype, shape]));
  hash.update(data);
}

/** SHA-256, hex, of tensors in their order. A flipped bit in a number is no error of a format, but gives another result. */
export function hashTensors(tensors: readonly NamedTensor[]): string {
  const hash = createHash('sha256');
  for (const { name, ...tensor } of tensors) addTensor(hash, name, tensor);
  return hash.digest('hex');
}

/**
 * SHA-256, hex, of all that a safetensors file says, but for the entry `sha256` itself. What is hashed, in this order:
 *
 * 1. The metadata without `sha256`, as JSON: an array of [key, value], sorted by key.
 * 2. Of each tensor, sorted by name: JSON of [name, dtype, shape], such as ["fc.bias","float32",[10]], then its bytes as they
 *    lie in the file.
 *
 * JSON is as JSON.stringify writes it, in UTF-8; names and keys are sorted by their UTF-16 code units. The order of the tensors in
 * the file does not count, since other programs that copy a file may change it.
 */
export function contentHash(tensors: TensorMap, metadata: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([...metadata].filter(([key]) => key !== entry).sort(byName)));
  for (const [name, tensor] of [...tensors].sort(byName)) addTensor(hash, name, tensor);
  return hash.digest('hex');
}

/** The metadata with the entry `sha256`. */
export const withHash = (tensors: TensorMap, metadata: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...metadata, [entry, contentHash(tensors, metadata)]]);

export const hasHash = (metadata: ReadonlyMap<string, string>): boolean => metadata.has(entry);

/**
 * Is the content what the file's entry `sha256` says? True without that entry: earlier versions wrote none. Another program's
 * file may have an entry of this name that means something else, so it counts only in files of this package.
 */
export function isIntact(tensors: TensorMap, metadata: ReadonlyMap<string, string>): boolean {
  return !hasHash(metadata) || !isOwn(metadata) || metadata.get(entry) === contentHash(tensors, metadata);
}

/** By the format, or, where that is what is damaged, by the other entries. */
function isOwn(metadata: ReadonlyMap<string, string>): boolean {
  const others = ['class_names', 'normalisation', 'features'];
  return metadata.get('format')?.startsWith('l2t-native ') === true || others.every((key) => metadata.has(key));
}

/** Has a checkpoint the value of `sha256`, but under another key? Then the key is damaged, which would hide any other damage. */
export const lostHash = (metadata: ReadonlyMap<string, string>): boolean =>
  !hasHash(metadata) && [...metadata.values()].some(isSha256);
