import { L2TError } from '../errors.js';

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

/** Number of elements of `shape`; inexact above 2^53. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, length) => product * length, 1);
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

/** The tensor in float32. Values beyond its range become infinite, as in PyTorch. */
export function toFloat32<T extends Tensor>(tensor: T): T {
  if (tensor.dtype === 'float32') return tensor;
  const read = readers.get(tensor.dtype);
  if (read === undefined) throw new L2TError('INTERNAL', `A tensor of ${tensor.dtype} is not converted to float32.`);
  // A copy, since a view into a file's bytes need not be aligned. (Buffer's own slice() would be a view again.)
  const { buffer } = Uint8Array.from(tensor.data);
  return { ...tensor, dtype: 'float32', data: new Uint8Array(read(buffer).buffer) };
}

const readers: ReadonlyMap<DType, (bytes: ArrayBuffer) => Float32Array> = new Map([
  ['float64', (bytes) => Float32Array.from(new Float64Array(bytes))],
  ['float16', (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf)],
  // bfloat16 is the upper half of a float32.
  ['bfloat16', (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer)],
]);

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = (bits & 0x3ff) / 1024;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

/** Bytes that are tested at once. */
const part = 2 ** 20;

export const isFloat = (dtype: DType): boolean => tests.has(dtype);

/** Checks whether every number of a tensor of a float type is finite in float32. */
export function isFiniteInFloat32({ dtype, data }: Tensor): boolean {
  const test = tests.get(dtype);
  if (test === undefined) throw new L2TError('INTERNAL', `A tensor of ${dtype} is not converted to float32.`);
  for (let from = 0; from < data.length; from += part) {
    // A copy, since a view into a file's bytes need not be aligned.
    if (!test(new Uint8Array(data.subarray(from, from + part)).buffer)) return false;
  }
  return true;
}

/** NaN and the infinities have all bits of the exponent. */
function noneHas(exponent: number, numbers: Uint16Array | Uint32Array): boolean {
  for (let i = 0; i < numbers.length; i++) if (((numbers[i] as number) & exponent) === exponent) return false;
  return true;
}

const tests: ReadonlyMap<DType, (bytes: ArrayBuffer) => boolean> = new Map([
  ['float32', (bytes) => noneHas(0x7f800000, new Uint32Array(bytes))],
  ['float64', (bytes) => new Float64Array(bytes).every((value) => Number.isFinite(Math.fround(value)))],
  ['float16', (bytes) => noneHas(0x7c00, new Uint16Array(bytes))],
  ['bfloat16', (bytes) => noneHas(0x7f80, new Uint16Array(bytes))],
]);
