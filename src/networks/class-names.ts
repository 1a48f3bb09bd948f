import { fileURLToPath } from 'node:url';
import { networks } from '../options/networks.js';
import { invalidData } from '../system/failures.js';
import { readFileBytes } from '../system/files.js';
import type { Checkpoint } from './checkpoint.js';
import type { Source } from './sources.js';

/** The names of ImageNet's 1,000 classes in the order of the outputs of torchvision's weights. */
const imagenet = fileURLToPath(new URL('../../src/networks/imagenet-classes.txt', import.meta.url));

/**
 * The checkpoint with names for its classes: those in `file`, else its own, else ImageNet's if it is a network of
 * torchvision with 1,000 classes.
 * @throws L2TError INVALID_DATA if the file has another number of names than there are classes; FILE_ACCESS.
 */
export async function withClassNames<C extends Checkpoint | Source>(checkpoint: C, file?: string): Promise<C> {
  const { network, classNames } = checkpoint;
  const { torchvision } = network.name === 'onnx' ? {} : networks[network.name];
  const isImagenet = torchvision && network.width === 1 && network.classes === 1000;
  const path = file ?? (classNames === undefined && isImagenet ? imagenet : undefined);
  return path === undefined ? checkpoint : { ...checkpoint, classNames: await readClassNames(path, network.classes) };
}

async function readClassNames(file: string, classes: number): Promise<string[]> {
  const names = decoded(await readFileBytes(file), file)
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  const empty = names.findIndex((name) => name.trim() === '');
  if (empty >= 0) throw invalidData(`${file}: line ${empty + 1} is empty, where the name of a class is expected.`);
  if (names.length === classes) return names;
  throw invalidData(
    `${file} has ${names.length} names, and the network ${classes} classes: give one name a line, in the order of the outputs.`,
  );
}

function decoded(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalidData(`${file} is not UTF-8: save it in that encoding.`);
  }
}
