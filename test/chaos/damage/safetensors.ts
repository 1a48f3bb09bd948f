import { type DType, dtypes as elementTypes, itemSize, type TensorMap } from '../../../src/native/tensor.js';
import { withHash } from '../../../src/networks/weights/content-hash.js';
import { parseSafetensors, safetensorsChunks } from '../../../src/networks/weights/safetensors.js';
import { byteMutators } from './bytes.js';
import { type Draw, extremes, hostileTexts, join, type Mutator, type Mutators, numberTexts, spliced } from './draw.js';
import { editedJson, editTree, fromTree, type Tree, toTree } from './tree.js';

const headerEnd = (bytes: Uint8Array): number => 8 + Number(Buffer.from(bytes).readBigUInt64LE(0));

/** The file with another header and its right length. */
function withHeader(bytes: Uint8Array, header: string): Uint8Array {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return join(length, text, bytes.subarray(headerEnd(bytes)));
}

const onHeader =
  (change: (header: string, draw: Draw) => string): Mutator =>
  (bytes, draw) =>
    withHeader(bytes, change(Buffer.from(bytes.subarray(8, headerEnd(bytes))).toString('utf8'), draw));

const dtypes = ['F16', 'BF16', 'F32', 'F64', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL', 'F8_E4M3', 'U16', 'f32', ''];

type Members = { members: [string, Tree][] };
const text = (value: string): Tree => ({ leaf: JSON.stringify(value) });

/** Changes one tensor's offsets, shape, type or name, or a text of the metadata. */
function editEntry(header: string, draw: Draw): string {
  const tree = toTree(JSON.parse(header)) as Members;
  const tensors = tree.members.filter(([name]) => name !== '__metadata__');
  const metadata = tree.members.find(([name]) => name === '__metadata__')?.[1] as Members | undefined;
  if (metadata && draw.once(3)) {
    const entry = draw.pick(metadata.members);
    const value = JSON.parse((entry[1] as { leaf: string }).leaf) as string;
    entry[1] = text(draw.once(2) ? draw.pick([...numberTexts, ...hostileTexts]) : editedMetadata(value, draw));
    return fromTree(tree);
  }
  const member = draw.pick(tensors);
  const entry = member[1] as Members;
  const field = (name: string) => entry.members.find(([key]) => key === name) as [string, Tree];
  const offsets = (from: [string, Tree]) => (from[1] as Members).members.find(([key]) => key === 'data_offsets')?.[1];
  const kind = draw.below(8);
  if (kind === 0) field('data_offsets')[1] = offsets(draw.pick(tensors)) as Tree;
  else if (kind === 1) {
    const pair = field('data_offsets')[1] as { items: Tree[] };
    pair.items[draw.below(2)] = { leaf: draw.pick(numberTexts) };
  } else if (kind === 2) {
    const shape = field('shape')[1] as { items: Tree[] };
    shape.items[draw.below(shape.items.length + 1)] = { leaf: String(draw.pick(extremes)) };
  } else if (kind === 3) {
    // More dimensions: 60 or 70 of them, a product beyond 32 bits, or a 0.
    const shape = field('shape')[1] as { items: Tree[] };
    shape.items.push(
      ...draw
        .pick([['1'], Array(60).fill('1'), Array(70).fill('1'), ['4294967296', '0'], ['0']])
        .map((leaf) => ({ leaf })),
    );
  } else if (kind === 4) field('dtype')[1] = text(draw.pick(dtypes));
  else if (kind === 5) member[0] = draw.once(2) ? draw.pick(hostileTexts) : draw.pick(tensors)[0];
  else if (kind === 6) [member[1], draw.pick(tensors)[1]] = [draw.pick(tensors)[1], member[1]];
  else editTree(tree, draw);
  return fromTree(tree);
}

/** Changes a text of the metadata: as JSON if it is JSON. */
function editedMetadata(value: string, draw: Draw): string {
  try {
    return editedJson(value, draw);
  } catch {
    return `${value}${draw.pick(hostileTexts)}`;
  }
}

/** Overwrites data with numbers that no training produces. */
const overData: Mutator = (bytes, draw) => {
  const from = headerEnd(bytes);
  const at = from + 4 * draw.below(Math.max(1, Math.floor((bytes.length - from) / 4)));
  const value = Buffer.alloc(4);
  value.writeFloatLE(draw.pick([Number.NaN, Number.POSITIVE_INFINITY, -0, 3.4e38, -3.4e38, 1e-45, -1]));
  return spliced(bytes, at, at + 4 * draw.power(64), value);
};

export const safetensorsMutators: Mutators = {
  ...byteMutators,
  'header entry': onHeader(editEntry),
  'header entries': onHeader((header, draw) => editEntry(editEntry(header, draw), draw)),
  'header tree': onHeader((header, draw) => editedJson(header, draw)),
  'strange numbers': (bytes, draw, other) => overData(bytes, draw, other).slice(0, bytes.length),
  'numbers set': (bytes, draw) => {
    const changed = new Uint8Array(bytes);
    const from = headerEnd(bytes);
    changed.fill(draw.pick([0, 0x7f, 0xff]), from + draw.below(bytes.length - from));
    return changed;
  },
};

/** Changes the file and makes its hash right again. */
function sealed(
  bytes: Uint8Array,
  change: (tensors: TensorMap, metadata: Map<string, string>) => TensorMap,
): Uint8Array {
  const { tensors, metadata } = parseSafetensors(bytes, 'valid');
  const said = new Map(metadata);
  const changed = change(tensors, said);
  return join(...safetensorsChunks(changed, withHash(changed, said)));
}

function otherMetadata(metadata: Map<string, string>, draw: Draw): void {
  const key = draw.pick([...metadata.keys()]);
  const value = metadata.get(key) as string;
  if (draw.once(6)) metadata.delete(key);
  else if (draw.once(4)) metadata.set(draw.pick(hostileTexts), value);
  else metadata.set(key, draw.once(2) ? draw.pick([...numberTexts, ...hostileTexts]) : editedMetadata(value, draw));
}

function otherTensor(tensors: TensorMap, draw: Draw): TensorMap {
  const name = draw.pick([...tensors.keys()]);
  const tensor = tensors.get(name) as NonNullable<ReturnType<TensorMap['get']>>;
  const count = tensor.data.length / itemSize(tensor.dtype);
  const rest = new Map(tensors);
  const put = (value: typeof tensor, key = name) => rest.set(key, value);
  const kind = draw.below(8);
  if (kind === 0) rest.delete(name);
  else if (kind === 1) put(tensor, draw.pick(hostileTexts.filter((key) => key !== '__metadata__')));
  else if (kind === 2) put({ ...tensor, shape: draw.pick([[count], [1, count], [count, 1], [...tensor.shape, 1]]) });
  else if (kind === 3) put({ ...tensor, shape: [0, ...tensor.shape], data: new Uint8Array(0) });
  else if (kind === 4) {
    const dtype = draw.pick(Object.keys(elementTypes) as DType[]);
    put({ ...tensor, dtype, data: draw.bytes(count * itemSize(dtype)) });
  } else if (kind === 5)
    put({ ...tensor, data: new Uint8Array(tensor.data.length).fill(draw.pick([0, 0x7f, 0xff, 0x80])) });
  else if (kind === 6) put(tensors.get(draw.pick([...tensors.keys()])) as typeof tensor);
  else {
    const data = new Uint8Array(tensor.data);
    const at = draw.below(Math.max(1, Math.floor(data.length / 8)));
    data.set(
      new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, draw.pick(extremes))).buffer).subarray(
        0,
        data.length - 8 * at,
      ),
      8 * at,
    );
    put({ ...tensor, data });
  }
  return rest;
}

/**
 * Mutators for a checkpoint or a run's state. The hash is right, so only the code that uses the content can refuse it.
 */
export const sealedMutators: Mutators = {
  'tensor with the hash': (bytes, draw) => sealed(bytes, (tensors) => otherTensor(tensors, draw)),
  'tensors with the hash': (bytes, draw) => sealed(bytes, (tensors) => otherTensor(otherTensor(tensors, draw), draw)),
  'metadata with the hash': (bytes, draw) =>
    sealed(bytes, (tensors, metadata) => {
      otherMetadata(metadata, draw);
      return tensors;
    }),
  'size or classes with the hash': (bytes, draw) =>
    sealed(bytes, (tensors, metadata) => {
      const key = draw.pick(['size', 'classes']);
      metadata.set(key, draw.pick(['1', '5', '7', '8', '1024', '1025', '4096', '1e15']));
      if (key === 'classes' || draw.once(4)) metadata.set('class_names', '[]');
      return tensors;
    }),
  'no tensors': (bytes) => sealed(bytes, () => new Map()),
};
