import type { OperationDescription } from '../../native/addon.js';
import type { Attribute } from '../onnx/messages.js';

/** One node of ONNX. It reads what the operation reads, or the node before it makes, and then `tensors`. */
interface NodeRow {
  readonly opType: string;
  /** Parts of the operation, in the order of the node's inputs. The last may be absent. */
  readonly tensors?: readonly string[];
  readonly attributes?: (settings: Settings) => Readonly<Record<string, Attribute>>;
  /** Constants, which the node reads after those. `side`: of the map that the operation reads, pixels. */
  readonly constants?: (settings: Settings, side: number) => readonly Constant[];
}

/** A constant tensor. */
export interface Constant {
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

type Settings = OperationDescription['settings'];

/** The setting in both directions, or on all four sides. */
const both = (value: number | undefined): Attribute => ({ ints: [value as number, value as number] });
const around = (value: number | undefined): Attribute => ({ ints: Array(4).fill(value) });
const scalar = (value: number): Constant => ({ dtype: 'float32', shape: [], values: [value] });
const integers = (...values: number[]): Constant => ({ dtype: 'int64', shape: [values.length], values });

/** Pᵀ of native/ops/avg_pool.h, length × k: column i takes the mean over bin i. */
function bins(k: number, length: number): Constant {
  const values = Array.from({ length }, (_, place) =>
    Array.from({ length: k }, (_, i) => {
      const [begin, end] = [Math.floor((i * length) / k), Math.ceil(((i + 1) * length) / k)];
      return place >= begin && place < end ? 1 / (end - begin) : 0;
    }),
  );
  return { dtype: 'float32', shape: [length, k], values: values.flat() };
}

/** Means over the columns' bins, then the map transposed: twice, they pool both sides. Opset 17 has no such operation. */
const poolColumns: readonly NodeRow[] = [
  { opType: 'MatMul', constants: ({ side }, length) => [bins(side as number, length)] },
  { opType: 'Transpose', attributes: () => ({ perm: { ints: [0, 1, 3, 2] } }) },
];

/** For each kind of operation of the native side: the nodes that compute it, one after another (opset 17). */
export const onnxOperations: Readonly<Record<string, readonly NodeRow[]>> = {
  conv2d: [
    {
      opType: 'Conv',
      tensors: ['weight', 'bias'],
      attributes: ({ stride, padding, groups }) => ({
        strides: both(stride),
        pads: around(padding),
        group: { i: groups as number },
      }),
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
  relu6: [{ opType: 'Clip', constants: () => [scalar(0), scalar(6)] }],
  add: [{ opType: 'Add' }],
  padded_shortcut: [
    {
      opType: 'Slice',
      // Starts, ends, axes, steps.
      constants: ({ stride }, side) => [
        ...[integers(0, 0), integers(side, side), integers(2, 3)],
        integers(stride as number, stride as number),
      ],
    },
    {
      opType: 'Pad',
      constants: ({ before, after }) => [integers(0, before as number, 0, 0, 0, after as number, 0, 0)],
    },
  ],
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
  adaptive_average_pool: [...poolColumns, ...poolColumns],
  flatten: [{ opType: 'Flatten', attributes: () => ({ axis: { i: 1 } }) }],
  linear: [{ opType: 'Gemm', tensors: ['weight', 'bias'], attributes: () => ({ transB: { i: 1 } }) }],
};
