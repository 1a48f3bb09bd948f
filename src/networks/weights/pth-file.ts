import type { Tensor } from '../../native/tensor.js';
import type { PickleValue, TensorRef } from './pickle-values.js';

/** A file of torch.save: the object it holds, whose tensors are read on demand. */
export interface PthFile {
  readonly format: 'pth-zip' | 'pth-legacy';
  readonly value: PickleValue;
  /** Elements row-major; a view into the file's bytes where they lie so already. `name` is for messages. */
  readTensor(name: string, ref: TensorRef): Promise<Tensor>;
}
