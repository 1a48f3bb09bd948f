import { invalidWeights } from '../../system/failures.js';
import { PickleFunction, type PickleValue, StorageRef, StorageType, TensorRef } from './pickle-values.js';
import { isLegacyPth, openLegacyPth } from './pth-legacy.js';
import type { PthFile } from './pth-storages.js';
import { isZip, openZipPth } from './pth-zip.js';

/** Do the bytes begin like a file of torch.save? */
export const isPth = (bytes: Uint8Array): boolean => isZip(bytes) || isLegacyPth(bytes);

/**
 * Opens a file of torch.save, in either of its formats. `file` is its name in messages.
 * @throws L2TError INVALID_WEIGHTS, naming the file, the entry and the offset.
 */
export async function openPth(bytes: Uint8Array, file: string): Promise<PthFile> {
  return isZip(bytes) ? openZipPth(bytes, file) : openLegacyPth(bytes, file);
}

/**
 * The object in a file of torch.save that holds plain values, such as lists of integers. Lists become arrays, dicts
 * Maps.
 * @throws L2TError INVALID_WEIGHTS, also if the object, or an entry of it if it is a list, is a tensor. Deeper levels
 *   are not checked.
 */
export async function readPthValue(bytes: Uint8Array, file: string): Promise<PickleValue> {
  const { value } = await openPth(bytes, file);
  const parts = Array.isArray(value) ? value : [value];
  for (const part of parts) {
    if ([TensorRef, StorageRef, StorageType, PickleFunction].some((kind) => part instanceof kind)) {
      throw invalidWeights(`${file} holds a tensor where plain numbers or texts are expected.`);
    }
  }
  return value;
}
