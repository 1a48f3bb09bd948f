import { itemSize, type Tensor } from '../../native/tensor.js';
import { invalidWeights } from '../../system/failures.js';
import { quoted } from '../../system/printable.js';
import {
  type Fail,
  isCount,
  isTuple,
  type PickleValue,
  StorageRef,
  StorageType,
  type TensorRef,
} from './pickle-values.js';
import { elementCount, gather, isContiguous } from './strided.js';

/** Bytes that copies may take, besides twice the file's size: enough for transposed and small expanded tensors. */
const copyAllowance = 2 ** 24;

/** A file of torch.save: the object in it, with tensors that are read on demand. */
export interface PthFile {
  readonly format: 'pth-zip' | 'pth-legacy';
  readonly value: PickleValue;
  /** Returns the tensor row-major: a view into the file's bytes if it is stored like that. `name` is for messages. */
  readTensor(name: string, ref: TensorRef): Promise<Tensor>;
}

/** The storages that a pickle names, and the tensors over them. */
export class Storages {
  /** Whole storages by key: element type and number of elements. */
  readonly roots = new Map<string, StorageRef>();
  /** Bytes that may still be copied. Without a limit, a tiny file with strides of 0 could request terabytes. */
  #mayCopy: number;

  constructor(
    private readonly file: string,
    fileSize: number,
  ) {
    this.#mayCopy = copyAllowance + 2 * fileSize;
  }

  /**
   * Resolves a persistent id ('storage', type, key, device, size[, view]); view: (key, offset, length) in old files, or
   * None.
   */
  readonly persistentLoad = (id: PickleValue, fail: Fail): PickleValue => {
    const [tag, type, key, , size, view = null] = isTuple(id) ? id : [];
    if (tag !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isCount(size)) {
      return fail('a persistent id is no storage of PyTorch');
    }
    const root = this.roots.get(key) ?? new StorageRef(key, type.dtype, size, 0, size);
    if (root.dtype !== type.dtype || root.size !== size)
      fail(`storage ${quoted(key)} is named with two types or sizes`);
    this.roots.set(key, root);
    if (view === null) return root;
    const [, offset, length] = isTuple(view) ? view : [];
    if (!isCount(offset) || !isCount(length) || offset + length > size) {
      return fail(`a view of storage ${quoted(key)} does not fit in it`);
    }
    return new StorageRef(key, type.dtype, size, offset, length);
  };

  /** The tensor `ref`, row-major, from the `bytes` of its whole storage. `name` is for messages. */
  tensor(name: string, ref: TensorRef, bytes: Uint8Array): Tensor {
    const { storage, shape, strides } = ref;
    const { dtype } = storage;
    const length = elementCount(shape) * itemSize(dtype);
    const source = bytes.subarray((storage.offset + ref.offset) * itemSize(dtype));
    if (isContiguous(ref)) return { dtype, shape, data: source.subarray(0, length) };
    this.#mayCopy -= length;
    if (this.#mayCopy >= 0) return { dtype, shape, data: gather(ref, source) };
    throw invalidWeights(
      `${this.file}: ${quoted(name)} has shape [${shape.join(', ')}] with strides [${strides.join(', ')}], ` +
        'which repeats its storage beyond reason: save a contiguous copy of the tensor.',
    );
  }
}
