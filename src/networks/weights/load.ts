import { L2TError } from '../../errors.js';
import type { TensorMap } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { readFileBytes } from '../../system/files.js';
import { quoted } from '../../system/printable.js';
import { type PickleValue, TensorRef } from './pickle-values.js';
import { isPth, openPth } from './pth.js';
import { isSafetensors, parseSafetensors } from './safetensors.js';

export interface Weights {
  /** By name, without `module.`, in the file's order and types; elements row-major. */
  readonly tensors: TensorMap;
  /** The metadata of a safetensors file; empty for other formats. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly format: 'safetensors' | 'pth-zip' | 'pth-legacy';
}

/** Keys under which training scripts keep the state dict, in the order in which they are tried. */
const wrappers = ['state_dict', 'model_state_dict', 'model', 'net'];

/**
 * Reads the weights in a file: safetensors, or either format of torch.save, recognised by content. The state dict may
 * lie under `state_dict`, `model_state_dict`, `model` or `net`. Values that are no tensors are ignored. The prefix
 * `module.` (DataParallel) is removed if every name has it.
 * @throws L2TError INVALID_WEIGHTS if the file is damaged, hostile or of another format; FILE_ACCESS.
 */
export async function loadWeights(path: string): Promise<Weights> {
  const bytes = await readFileBytes(path);
  if (isPth(bytes)) {
    const pth = await openPth(bytes, path);
    const tensors: TensorMap = new Map();
    for (const [name, ref] of findStateDict(pth.value, path)) tensors.set(name, await pth.readTensor(name, ref));
    return { tensors: withoutWrappers(tensors), metadata: new Map(), format: pth.format };
  }
  if (isSafetensors(bytes)) {
    const { tensors, metadata } = parseSafetensors(bytes, path);
    return { tensors: withoutWrappers(tensors), metadata, format: 'safetensors' };
  }
  throw invalidWeights(
    `${path} holds no weights: it is neither a safetensors file nor one of PyTorch's torch.save, or it is damaged.`,
  );
}

/** Does the file begin as those do that `loadWeights` reads? False if there is no such file. */
export async function holdsWeights(path: string): Promise<boolean> {
  try {
    const bytes = await readFileBytes(path);
    return isPth(bytes) || isSafetensors(bytes);
  } catch (error) {
    if (error instanceof L2TError && error.code === 'FILE_ACCESS') return false;
    throw error;
  }
}

function findStateDict(value: PickleValue, path: string): [string, TensorRef][] {
  const root = value instanceof Map ? value : new Map<PickleValue, PickleValue>();
  for (const candidate of [...wrappers.map((key) => root.get(key)), root]) {
    const entries = candidate instanceof Map ? [...candidate] : [];
    const found = entries.filter(isNamedTensor);
    if (found.length > 0) return found;
  }
  const keys = [...root.keys()].filter((key) => typeof key === 'string').slice(0, 10);
  const held = keys.length > 0 ? `a dict of ${keys.map(quoted).join(', ')}` : 'no dict';
  throw invalidWeights(
    `${path} holds ${held}, and no tensors by name, neither at its top nor under ${wrappers.join(', ')}: ` +
      'save model.state_dict() instead.',
  );
}

const isNamedTensor = (entry: [PickleValue, PickleValue]): entry is [string, TensorRef] =>
  typeof entry[0] === 'string' && entry[1] instanceof TensorRef;

/** Of DataParallel and AveragedModel, and of torch.compile; either may be around the other. */
const prefixes = ['module.', '_orig_mod.'];

/** The tensors by the network's own names: without what its wrappers put before them, and without AveragedModel's count. */
function withoutWrappers(tensors: TensorMap): TensorMap {
  const named = [...tensors].filter(([name]) => name !== 'n_averaged');
  const prefix = prefixes.find((each) => named.length > 0 && named.every(([name]) => name.startsWith(each)));
  if (prefix === undefined) return tensors;
  return withoutWrappers(new Map(named.map(([name, tensor]) => [name.slice(prefix.length), tensor])));
}
