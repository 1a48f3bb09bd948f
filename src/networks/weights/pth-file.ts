import type { Tensor } from '../../native/tensor.js';
import type { PickleValue, TensorRef } from './pickle-values.js';

/** A file of torch.save: the object in it, with tensors that are read on demand. */
export interface PthFile {
  readonly format: 'pth-zip' | 'pth-legacy';
  readonly value: PickleValue;
  /** Returns the tensor row-major: a view into the file's bytes if it is stored like that. `name` is for messages. */
  readTensor(name: string, ref: TensorRef): Promise<Tensor>;
}
