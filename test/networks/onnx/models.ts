import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Attribute,
  dataTypes,
  encodeModel,
  nodeMessage,
  valueMessage,
} from '../../../src/networks/onnx/messages.js';
import { temporaryFolder } from '../../tiny.js';

/** Small ONNX models, written by the messages of the product. */

type Numbers = readonly number[];

/** A constant of float32 with a fixed pattern of values in [−0.5, 0.5). */
export const weights = (name: string, ...dims: number[]) => {
  const count = dims.reduce((product, side) => product * side, 1);
  const values = Float32Array.from(
    { length: count },
    (_, i) => (Math.imul(i + name.length, 2654435761) >>> 0) / 2 ** 32 - 0.5,
  );
  return { name, dims, dataType: dataTypes.float32, rawData: new Uint8Array(values.buffer) };
};

export const integers = (name: string, ...values: number[]) => ({
  name,
  dims: [values.length],
  dataType: dataTypes.int64,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

export const node = (
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Readonly<Record<string, Attribute | Numbers | number>> = {},
) => {
  const asAttribute = (value: Attribute | Numbers | number): Attribute =>
    typeof value === 'number' ? { i: value } : Array.isArray(value) ? { ints: value } : (value as Attribute);
  const entries = Object.entries(attributes).map(([name, value]) => [name, asAttribute(value)] as const);
  return nodeMessage({ opType, input, output: [output], attributes: Object.fromEntries(entries) });
};

export interface Model {
  readonly shape?: readonly (number | string)[];
  readonly nodes: readonly object[];
  readonly tensors?: readonly object[];
  readonly outputs?: readonly string[];
  /** Fields of the graph, and of the model, besides these. */
  readonly graph?: object;
  readonly model?: object;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const modelBytes = ({
  shape = ['batch', 3, 16, 16],
  nodes,
  tensors = [],
  outputs = ['logits'],
  ...more
}: Model) =>
  encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    metadataProps: Object.entries(more.metadata ?? {}).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'model',
      node: nodes,
      initializer: tensors,
      input: [valueMessage('images', shape)],
      output: outputs.map((name) => ({ name })),
      ...more.graph,
    },
    ...more.model,
  });

export function writeModel(model: Model | Uint8Array, name = 'model.onnx'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, model instanceof Uint8Array ? model : modelBytes(model));
  return path;
}

const head = (from: string, channels: number, classes = 5) => ({
  nodes: [
    node('GlobalAveragePool', [from], 'pooled'),
    node('Flatten', ['pooled'], 'flat', { axis: 1 }),
    node('MatMul', ['flat', 'head.weight'], 'logits'),
  ],
  tensors: [weights('head.weight', channels, classes)],
});

const convolution = (input: string, output: string, side: number, stride: number) =>
  node('Conv', [input, `${output}.weight`], output, {
    kernel_shape: [side, side],
    strides: [stride, stride],
    pads: Array(4).fill(side === stride ? 0 : (side - 1) / 2),
  });

/** 16×16 with a residual block that is passed by, then 8×8. */
export function convNet(changes: Partial<Model> = {}): Model {
  const last = head('second.relu', 6);
  return {
    nodes: [
      convolution('images', 'first', 3, 1),
      node('Relu', ['first'], 'first.relu'),
      convolution('first.relu', 'inner', 3, 1),
      node('Add', ['inner', 'first.relu'], 'block'),
      convolution('block', 'second', 3, 2),
      node('Relu', ['second'], 'second.relu'),
      ...last.nodes,
    ],
    tensors: [
      weights('first.weight', 4, 3, 3, 3),
      weights('inner.weight', 4, 4, 3, 3),
      weights('second.weight', 6, 4, 3, 3),
      ...last.tensors,
    ],
    ...changes,
  };
}

/** A map of 16×16 whose channels are last, then one of 8×8 whose channels are first. */
export function mixedNet(): Model {
  const last = head('second', 6);
  return {
    nodes: [
      convolution('images', 'first', 3, 1),
      node('Transpose', ['first'], 'last', { perm: [0, 2, 3, 1] }),
      node('Add', ['last', 'shift'], 'shifted'),
      node('Transpose', ['shifted'], 'first.again', { perm: [0, 3, 1, 2] }),
      convolution('first.again', 'second', 3, 2),
      ...last.nodes,
    ],
    tensors: [
      weights('first.weight', 4, 3, 3, 3),
      weights('second.weight', 6, 4, 3, 3),
      weights('shift', 4),
      ...last.tensors,
    ],
  };
}

/** A ViT: patches of 4×4, a class token, blocks that add to the tokens. The class token's expansion reads a shape. */
export function tokenNet(blocks = 4, changes: Partial<Model> = {}): Model {
  const names = Array.from({ length: blocks }, (_, k) => `block${k}`);
  return {
    nodes: [
      convolution('images', 'patches', 4, 4),
      node('Reshape', ['patches', 'flat.shape'], 'columns'),
      node('Transpose', ['columns'], 'tokens', { perm: [0, 2, 1] }),
      node('Shape', ['tokens'], 'tokens.shape'),
      node('Gather', ['tokens.shape', 'zero'], 'count', { axis: 0 }),
      node('Concat', ['count', 'one.eight'], 'class.shape', { axis: 0 }),
      node('Expand', ['class', 'class.shape'], 'class.tokens'),
      node('Concat', ['class.tokens', 'tokens'], 'embedded', { axis: 1 }),
      ...names.flatMap((name, k) => {
        const before = names[k - 1] ?? 'embedded';
        return [
          node('MatMul', [before, 'mix'], `${name}.mixed`),
          node('Tanh', [`${name}.mixed`], `${name}.tanh`),
          node('Add', [before, `${name}.tanh`], name),
        ];
      }),
      node('Gather', [names.at(-1) as string, 'first'], 'chosen', { axis: 1 }),
      node('Flatten', ['chosen'], 'flat', { axis: 1 }),
      node('MatMul', ['flat', 'head.weight'], 'scores'),
      node('Softmax', ['scores'], 'logits', { axis: 1 }),
    ],
    tensors: [
      ...[weights('patches.weight', 8, 3, 4, 4), weights('class', 1, 1, 8), weights('mix', 8, 8)],
      ...[weights('head.weight', 8, 5), integers('flat.shape', 0, 8, -1), integers('one.eight', 1, 8)],
      ...[integers('zero', 0), integers('first', 0)],
    ],
    ...changes,
  };
}

/** Numbers in [−1, 1), the same each time. */
export const someImages = (count: number, side = 16): Float32Array =>
  Float32Array.from({ length: count * 3 * side ** 2 }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 0) / 2 ** 31 - 1);
