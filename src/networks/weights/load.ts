import { L2TError } from '../../errors.js';
import { itemSize, type TensorMap } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { readAll, readFileBytes, withFile } from '../../system/files.js';
import { quoted } from '../../system/printable.js';
import { type PickleValue, TensorRef } from './pickle-values.js';
import { isPth, openPth } from './pth.js';
import { isSafetensors, parseSafetensors } from './safetensors.js';

export interface Weights {
  /** By the network's own names, in the file's types; elements row-major. */
  readonly tensors: TensorMap;
  /** The metadata of a safetensors file; empty for other formats. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly format: 'safetensors' | 'pth-zip' | 'pth-legacy';
}

/** Keys under which training scripts keep the state dict, in the order in which they are tried. */
const wrappers = ['state_dict', 'model_state_dict', 'model', 'net'];

/**
 * Reads the weights in a file: safetensors, or either format of torch.save, recognised by content. The state dict may
 * lie under `state_dict`, `model_state_dict`, `model` or `net`. Values that are no tensors are ignored. A prefix such as
 * `module.` (DataParallel) or `backbone.` is removed if every name but those of a head has it, and the names of other
 * programs' CIFAR ResNets are translated.
 * @throws L2TError INVALID_WEIGHTS if the file is damaged, hostile or of another format; FILE_ACCESS.
 */
export async function loadWeights(path: string): Promise<Weights> {
  const bytes = await readFileBytes(path);
  if (isPth(bytes)) {
    const pth = await openPth(bytes, path);
    const tensors: TensorMap = new Map();
    for (const [name, ref] of findStateDict(pth.value, path)) tensors.set(name, await pth.readTensor(name, ref));
    return { tensors: ownNames(tensors), metadata: new Map(), format: pth.format };
  }
  if (isSafetensors(bytes)) {
    const { tensors, metadata } = parseSafetensors(bytes, path);
    return { tensors: ownNames(tensors), metadata, format: 'safetensors' };
  }
  throw invalidWeights(
    `${path} holds no weights: it is neither a safetensors file nor one of PyTorch's torch.save, or it is damaged.`,
  );
}

/** Number of bytes at a file's start that show its format. */
const startBytes = 16;

/** Does the file begin as those do that `loadWeights` reads? False if there is no such file. */
export async function holdsWeights(path: string): Promise<boolean> {
  try {
    const start = await withFile(path, (handle, size) => readAll(handle, Math.min(size, startBytes)));
    return isPth(start) || isSafetensors(start);
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
  const contents = keys.length > 0 ? `a dict of ${keys.map(quoted).join(', ')}` : 'no dict';
  throw invalidWeights(
    `${path} holds ${contents}, and no tensors by name, neither at its top nor under ${wrappers.join(', ')}: ` +
      'save model.state_dict() instead.',
  );
}

const isNamedTensor = (entry: [PickleValue, PickleValue]): entry is [string, TensorRef] =>
  typeof entry[0] === 'string' && entry[1] instanceof TensorRef;

const ownNames = (tensors: TensorMap): TensorMap => fromCifar(withoutWrappers(tensors));

/** Prefixes of DataParallel and AveragedModel, of torch.compile, and of modules that hold a network; one may be around another. */
const prefixes = ['module.', '_orig_mod.', 'model.', 'backbone.'];

/** Checks whether a name belongs to the layers that such a module keeps beside the network. */
export const isOfHead = (name: string): boolean => /^(fc|linear|classifier|head)\./.test(name);

/** The tensors without the prefixes of what is around the network, and without AveragedModel's count. */
function withoutWrappers(tensors: TensorMap): TensorMap {
  const named = [...tensors].filter(([name]) => name !== 'n_averaged');
  const prefix = prefixes.find(
    (each) =>
      named.some(([name]) => name.startsWith(each)) && named.every(([name]) => name.startsWith(each) || isOfHead(name)),
  );
  if (prefix === undefined) return tensors;
  const heads = named.filter(([name]) => !name.startsWith(prefix));
  const inner = named.filter(([name]) => name.startsWith(prefix));
  return withoutWrappers(
    new Map([...heads, ...inner.map(([name, tensor]) => [name.slice(prefix.length), tensor] as const)]),
  );
}

/**
 * Translates the names of CIFAR ResNets with three stages `layer1`, `layer2` and `layer3`: to those of resnet20 and
 * resnet32 if shortcuts have weights, else to those of resnet20_a and resnet32_a. Other tensors stay as they are.
 */
function fromCifar(tensors: TensorMap): TensorMap {
  const first = tensors.get('conv1.weight');
  const names = [...tensors.keys()];
  const stages = new Set(names.map((name) => /^layer\d/.exec(name)?.[0]).filter(Boolean));
  if (first?.shape.slice(1).join() !== '3,3,3' || [...stages].sort().join() !== 'layer1,layer2,layer3') return tensors;
  const weighted = names.some((name) => /\.(downsample|shortcut)\.\d/.test(name));
  const ours = (name: string): string =>
    weighted
      ? name
          .replace(/^layer(\d)\.0\./, (_, stage) => `block${2 * stage - 1}.`)
          .replace(/^layer(\d)\.(\d+)\./, (_, stage, block) => `blocks${2 * stage}.${block - 1}.`)
          .replace('.shortcut.', '.downsample.')
          .replace(/^linear\./, 'fc.')
      : name.replace(/^fc\./, 'linear.');
  const renamed: TensorMap = new Map([...tensors].map(([name, tensor]) => [ours(name), tensor]));
  if (weighted && !renamed.has('conv1.bias')) {
    const [channels = 0] = first.shape;
    const data = new Uint8Array(channels * itemSize(first.dtype));
    renamed.set('conv1.bias', { dtype: first.dtype, shape: [channels], data });
  }
  return renamed;
}
