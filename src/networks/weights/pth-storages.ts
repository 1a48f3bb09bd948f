import { L2TError } from '../../errors.js';
import { itemSize, type Tensor } from '../../native/tensor.js';
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
import { elementCount, isContiguous, materialise } from './strided.js';

/** Bytes that copies may take, besides twice the file's size: enough for transposed and small expanded tensors. */
const copyAllowance = 2 ** 24;

/** The storages that a pickle names, and the tensors over them. */
export class Storages {
  readonly #file: string;
  /** Whole storages by key: element type and number of elements. */
  readonly roots = new Map<string, StorageRef>();
  /** Bytes that may still be copied. Without a limit, a tiny file with strides of 0 could request terabytes. */
  #mayCopy: number;

  constructor(file: string, fileSize: number) {
    this.#file = file;
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
    if (!isContiguous(ref)) {
      this.#mayCopy -= elementCount(ref.shape) * itemSize[ref.storage.dtype];
      if (this.#mayCopy < 0) {
        throw new L2TError(
          'INVALID_WEIGHTS',
          `${this.#file}: ${quoted(name)} has shape [${ref.shape.join(', ')}] with strides [${ref.strides.join(', ')}], ` +
            'which repeats its storage beyond reason: save a contiguous copy of the tensor.',
        );
      }
    }
    return materialise(ref, bytes);
  }
}
