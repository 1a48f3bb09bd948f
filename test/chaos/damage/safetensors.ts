import { type DType, dtypes as elements, itemSize, type Tensor } from '../../../src/native/tensor.js';
import { withHash } from '../../../src/networks/weights/content-hash.js';
import { parseSafetensors, safetensorsChunks } from '../../../src/networks/weights/safetensors.js';
import { little } from '../../networks/weights/pickle-writer.js';
import { type Draw, hostileTexts, numberTexts } from '../draw.js';
import { byteKinds, join, type Kinds, type Mutator, type Mutators, on, times } from './bytes.js';
import { type Edit, editedJson, otherNumber, replaced } from './text.js';

/** Changes a text, in which JSON may stand. */
const otherText: Edit = (text, draw) => {
  const other = draw.pick([...numberTexts, ...hostileTexts]);
  return draw.either(
    () => other,
    () => text + other,
    () => editedJson(text, draw),
  );
};

const headerEnd = (bytes: Buffer): number => 8 + Number(bytes.readBigUInt64LE(0));
const onHeader = on(
  (bytes) => bytes.toString('utf8', 8, headerEnd(bytes)),
  (header, _, bytes) => join(little(Buffer.byteLength(header), 8), header, bytes.subarray(headerEnd(bytes))),
);

/** Sets some numbers of the data, or many. */
const numbersSet: Mutator = (bytes, draw) => {
  const from = headerEnd(bytes);
  const at = from + 4 * draw.below(Math.max(1, (bytes.length - from) >> 2));
  const number = draw.pick([Number.NaN, Number.POSITIVE_INFINITY, 0, -0, 3.4e38, -3.4e38, 1e-45, -1]);
  const value = new Uint8Array(Float32Array.of(number).buffer);
  return Buffer.from(bytes).fill(value, at, Math.min(bytes.length, at + 4 * draw.power(2 ** 20)));
};

const plain: Mutators = {
  'header tree': onHeader(editedJson),
  'header number': onHeader(otherNumber),
  'header text': onHeader((header, draw) =>
    replaced(header, draw, /(?<=":)"(\\.|[^"\\])*"/g, (old) =>
      JSON.stringify(otherText(JSON.parse(old || '""'), draw)),
    ),
  ),
  'numbers set': numbersSet,
};

type Content = { readonly tensors: Map<string, Tensor>; readonly metadata: Map<string, string> };
/** Changes the file and makes its hash right again. */
const onContent = on(
  (bytes): Content => {
    const { tensors, metadata } = parseSafetensors(bytes, 'valid');
    return { tensors: new Map(tensors), metadata: new Map(metadata) };
  },
  ({ tensors, metadata }) => join(...safetensorsChunks(tensors, withHash(tensors, metadata))),
);
const sealed = (change: (content: Content, draw: Draw) => unknown): Mutator =>
  onContent((content, draw) => {
    change(content, draw);
    return content;
  });

function otherTensor(tensors: Map<string, Tensor>, draw: Draw): void {
  const [name, tensor] = draw.pick([...tensors]);
  const { shape, data } = tensor;
  const count = data.length / itemSize(tensor.dtype);
  const dtype = draw.pick(Object.keys(elements) as DType[]);
  const put = (changes: Partial<Tensor>, key = name) => tensors.set(key, { ...tensor, ...changes });
  draw.either<unknown>(
    () => tensors.delete(name),
    () => put({}, draw.pick(hostileTexts.filter((key) => key !== '__metadata__'))),
    () => put({ shape: draw.pick([[count], [1, count], [count, 1], [...shape, 1]]) }),
    () => put({ shape: [0, ...shape], data: new Uint8Array(0) }),
    () => put({ dtype, data: draw.bytes(count * itemSize(dtype)) }),
    () => put({ data: new Uint8Array(data.length).fill(draw.pick([0, 0x7f, 0xff, 0x80])) }),
    () => put(draw.pick([...tensors.values()])),
    () => put({ data: byteKinds['integer set'](Buffer.from(data), draw, Buffer.from(data)) }),
  );
}

const tensor = sealed(({ tensors }, draw) => otherTensor(tensors, draw));

/** For a checkpoint or a run's state. The hash is right, so only the code that uses the content can refuse it. */
export const sealedMutators: Mutators = {
  'tensor with the hash': tensor,
  'tensors with the hash': times(2, 2, tensor),
  'metadata with the hash': sealed(({ metadata }, draw) => {
    const [key, value] = draw.pick([...metadata]);
    const change = () => metadata.set(key, otherText(value, draw));
    const rename = () => metadata.set(draw.pick(hostileTexts), value);
    draw.either<unknown>(change, change, change, rename, () => metadata.delete(key));
  }),
  'no tensors': sealed(({ tensors }) => tensors.clear()),
};

export const kinds: Kinds = {
  '^safetensors': plain,
  '^state resumed.*safetensors$': sealedMutators,
  safetensors$: { ...plain, ...sealedMutators },
};
