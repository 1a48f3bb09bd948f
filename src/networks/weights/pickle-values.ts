import { type DType, dtypesBy } from '../../native/tensor.js';
import { quoted } from '../../system/printable.js';

/**
 * A value in a pickle. A list is an array, a tuple a frozen array, a dict a Map, a set a Set: keys from the file never
 * become object properties. A list or dict may contain itself, so code that walks a value must limit the depth.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleFunction
  | StorageType
  | StorageRef
  | TensorRef
  | OpaqueValue;

/** Throws an L2TError INVALID_WEIGHTS that names the file and the offset. */
export type Fail = (problem: string) => never;

/** An allowed global that REDUCE may call. It builds a value from its arguments and does nothing else. */
export class PickleFunction {
  constructor(
    readonly name: string,
    readonly apply: (args: readonly PickleValue[], fail: Fail) => PickleValue,
  ) {}
}

/** collections.OrderedDict. Unlike a plain dict it may have attributes (PyTorch's `_metadata`); they are ignored. */
export class OrderedDict extends Map<PickleValue, PickleValue> {}

/** A storage class such as torch.FloatStorage, named in a persistent id. */
export class StorageType {
  constructor(readonly dtype: DType) {}
}

/** A view of `length` elements from `offset` on, in the storage `key`, which has `size` elements. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    readonly size: number,
    readonly offset: number,
    readonly length: number,
  ) {}
}

/** A tensor over a storage. Offset and strides count elements, and are checked to stay inside the storage. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** A value that is skipped, such as a NumPy scalar. Only its type's name is kept. */
export class OpaqueValue {
  constructor(readonly name: string) {}
}

export const isSequence = (value: PickleValue | undefined): value is readonly PickleValue[] => Array.isArray(value);

export const isTuple = (value: PickleValue | undefined): value is readonly PickleValue[] =>
  Array.isArray(value) && Object.isFrozen(value);

/** A size, offset or stride: a whole number from 0 to 2^53 − 1. */
export const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

type Arguments = readonly PickleValue[];

/** PyTorch's own limit: a tensor with more dimensions means a damaged file. */
const mostDimensions = 64;

/**
 * Every global that a weights file may use, by "module.name": those that torch.save writes for state dicts and
 * checkpoints. Nothing is imported. Any other name is an error.
 */
export const pickleGlobals = new Map<string, PickleFunction | StorageType>([
  ...functions({
    'collections.OrderedDict': orderedDict,
    // torch.optim.lr_scheduler.MultiStepLR keeps its milestones in a Counter.
    'collections.Counter': counter,
    'builtins.set': set,
    '__builtin__.set': set,
    // Protocol 2 writes bytes like this, for example those of NumPy scalars.
    '_codecs.encode': () => new OpaqueValue('bytes'),
    'torch.Size': size,
    'torch._utils._rebuild_tensor': rebuildTensor,
    'torch._utils._rebuild_tensor_v2': rebuildTensor,
    'torch._utils._rebuild_parameter': rebuildParameter,
    'numpy.dtype': () => new OpaqueValue('numpy.dtype'),
    'numpy.core.multiarray.scalar': () => new OpaqueValue('numpy scalar'),
    'numpy._core.multiarray.scalar': () => new OpaqueValue('numpy scalar'),
  }),
  ...[...dtypesBy('torch')].map(([name, dtype]) => [`torch.${name}Storage`, new StorageType(dtype)] as const),
]);

function functions(table: Record<string, PickleFunction['apply']>): [string, PickleFunction][] {
  return Object.entries(table).map(([name, apply]) => [name, new PickleFunction(name, apply)]);
}

/** Python 3 creates an empty dict and sets its items later; Python 2 passes a list of [key, value]. */
function orderedDict([items = [], ...rest]: Arguments, fail: Fail): PickleValue {
  if (!isSequence(items) || rest.length > 0) fail('collections.OrderedDict has unexpected arguments');
  const dict = new OrderedDict();
  for (const item of items as Arguments) {
    if (!isSequence(item) || item.length !== 2) fail('collections.OrderedDict has an item that is no pair');
    const [key, value] = item as [PickleValue, PickleValue];
    dict.set(key, value);
  }
  return dict;
}

function counter([counts, ...rest]: Arguments, fail: Fail): PickleValue {
  if (!(counts instanceof Map) || rest.length > 0) return fail('collections.Counter has unexpected arguments');
  return new Map(counts);
}

function set([items, ...rest]: Arguments, fail: Fail): PickleValue {
  if (!isSequence(items) || rest.length > 0) return fail('set has unexpected arguments');
  return new Set(items);
}

function size([dimensions, ...rest]: Arguments, fail: Fail): PickleValue {
  if (!isTuple(dimensions) || rest.length > 0) return fail('torch.Size has unexpected arguments');
  return dimensions;
}

/** Arguments: (storage, offset, shape, strides, …). Further arguments (gradient flag, hooks, metadata) are ignored. */
function rebuildTensor([storage, offset, shape, strides]: Arguments, fail: Fail): PickleValue {
  if (!(storage instanceof StorageRef) || !isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
    return fail('a tensor is not made of a storage, an offset, a shape and strides');
  }
  if (shape.length !== strides.length) fail(`a tensor has ${shape.length} sizes and ${strides.length} strides`);
  let end = offset;
  if (!shape.includes(0)) {
    end += 1;
    shape.forEach((length, dimension) => {
      end += (length - 1) * (strides[dimension] as number);
    });
  }
  // Above 2^53 these sums and products are inexact, but still far larger than any storage.
  if (end > storage.length) {
    fail(`a tensor reaches element ${end} of storage ${quoted(storage.key)}, which has ${storage.length}`);
  }
  return new TensorRef(storage, offset, shape, strides);
}

function isCounts(value: PickleValue | undefined): value is readonly number[] {
  return isTuple(value) && value.length <= mostDimensions && value.every(isCount);
}

function rebuildParameter([tensor]: Arguments, fail: Fail): PickleValue {
  return tensor instanceof TensorRef ? tensor : fail('torch._utils._rebuild_parameter has no tensor');
}
