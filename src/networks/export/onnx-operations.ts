import type { OperationDescription } from '../../native/addon.js';
import type { Attribute } from './onnx-messages.js';

/** One node of ONNX. It reads what the operation reads, or the node before it makes, and then `tensors`. */
interface NodeRow {
  readonly opType: string;
  /** Parts of the operation, in the order of the node's inputs. The last may be absent. */
  readonly tensors?: readonly string[];
  readonly attributes?: (settings: Settings) => Readonly<Record<string, Attribute>>;
}

type Settings = OperationDescription['settings'];

/** The setting in both directions, or on all four sides. */
const both = (value: number | undefined): Attribute => ({ ints: [value as number, value as number] });
const around = (value: number | undefined): Attribute => ({ ints: Array(4).fill(value) });

/** For each kind of operation of the native side: the nodes that compute it, one after another (opset 17). */
export const onnxOperations: Readonly<Record<string, readonly NodeRow[]>> = {
  conv2d: [
    {
      opType: 'Conv',
      tensors: ['weight', 'bias'],
      attributes: ({ stride, padding }) => ({ strides: both(stride), pads: around(padding) }),
    },
  ],
  batch_norm: [
    {
      opType: 'BatchNormalization',
      tensors: ['scale', 'shift', 'mean', 'variance'],
      attributes: ({ epsilon }) => ({ epsilon: { f: epsilon as number } }),
    },
  ],
  relu: [{ opType: 'Relu' }],
  add: [{ opType: 'Add' }],
  max_pool: [
    {
      opType: 'MaxPool',
      attributes: ({ kernel, stride, padding }) => ({
        kernel_shape: both(kernel),
        strides: both(stride),
        pads: around(padding),
      }),
    },
  ],
  global_average_pool: [{ opType: 'GlobalAveragePool' }, { opType: 'Flatten', attributes: () => ({ axis: { i: 1 } }) }],
  linear: [{ opType: 'Gemm', tensors: ['weight', 'bias'], attributes: () => ({ transB: { i: 1 } }) }],
};
