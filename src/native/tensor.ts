/** Element types that weights files and the addon share. */
export type DType =
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool';

/** Bytes per element of each dtype. */
export const itemSize: Readonly<Record<DType, number>> = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** A dense tensor. `data` holds the elements, row-major and little-endian; its length is product(shape) · itemSize. */
export interface Tensor {
  /** Its elements' type. */
  readonly dtype: DType;
  /** Its sides; none for a single number. */
  readonly shape: readonly number[];
  /** Its elements' bytes. */
  readonly data: Uint8Array;
}

/** Tensors by name, in order. A Map, never a plain object: names come from untrusted files. */
export type TensorMap = Map<string, Tensor>;

/** A tensor with its name, as the addon takes and returns it. Names are untrusted, so they are never object keys. */
export interface NamedTensor extends Tensor {
  /** Its name, as in PyTorch's state dict: features.0.weight. */
  readonly name: string;
}

export function toTensorMap(tensors: readonly NamedTensor[]): TensorMap {
  return new Map(tensors.map(({ name, dtype, shape, data }) => [name, { dtype, shape, data }]));
}

export function toNamedTensors(tensors: TensorMap): NamedTensor[] {
  return [...tensors].map(([name, tensor]) => ({ name, ...tensor }));
}
