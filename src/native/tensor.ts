/**
 * Element types that weights files and the addon share: their bytes per element, and what they are called by safetensors
 * and in the names of PyTorch's storages.
 */
export const dtypes = {
  float16: { bytes: 2, safetensors: 'F16', torch: 'Half' },
  bfloat16: { bytes: 2, safetensors: 'BF16', torch: 'BFloat16' },
  float32: { bytes: 4, safetensors: 'F32', torch: 'Float' },
  float64: { bytes: 8, safetensors: 'F64', torch: 'Double' },
  int64: { bytes: 8, safetensors: 'I64', torch: 'Long' },
  int32: { bytes: 4, safetensors: 'I32', torch: 'Int' },
  int16: { bytes: 2, safetensors: 'I16', torch: 'Short' },
  int8: { bytes: 1, safetensors: 'I8', torch: 'Char' },
  uint8: { bytes: 1, safetensors: 'U8', torch: 'Byte' },
  bool: { bytes: 1, safetensors: 'BOOL', torch: 'Bool' },
} as const;

export type DType = keyof typeof dtypes;

export const itemSize = (dtype: DType): number => dtypes[dtype].bytes;

/** The dtype of each name that safetensors or PyTorch gives. */
export const dtypesBy = (names: 'safetensors' | 'torch'): ReadonlyMap<string, DType> =>
  new Map(Object.entries(dtypes).map(([dtype, entry]) => [entry[names], dtype as DType]));

/** A dense tensor. `data` holds the elements, row-major and little-endian; its length is product(shape) · itemSize(dtype). */
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
