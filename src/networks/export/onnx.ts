import { L2TError } from '../../errors.js';
import type { NetworkDescription } from '../../native/addon.js';
import { type NamedTensor, toFloat32 } from '../../native/tensor.js';
import { largeSize, shortSide } from '../../options/networks.js';
import { invalidOption } from '../../system/failures.js';
import { packageVersion } from '../../system/version.js';
import type { Checkpoint } from '../checkpoint.js';
import { describeNetwork } from '../describe.js';
import { dataTypes, encodeModel, type Node, nodeMessage, valueMessage } from '../onnx/messages.js';
import { type Constant, onnxOperations } from './onnx-operations.js';

/** Opset 17, and the version of the format that came with it (ONNX 1.12). */
const opset = 17;
const irVersion = 8;

/** Names of the graph's input and of its output. */
const imagesName = 'images';
const logitsName = 'logits';

/** Protobuf's limit for a message, less what the graph takes besides the weights. */
const mostBytes = 2 ** 31 - 2 ** 24;

/** Who normalises the images: the caller, or the graph. */
export type Normaliser = 'outside' | 'inside';

/**
 * A network as a model of ONNX: B × 3 × size × size → logits, B × classes, all float32. With `inside`, the input is
 * pixels in [0, 1], else it is normalised.
 * @throws L2TError INVALID_OPTION if it is larger than protobuf allows.
 */
export function toOnnx(checkpoint: Checkpoint, normaliser: Normaliser): Uint8Array {
  const { network, size } = checkpoint;
  const first = normaliser === 'inside' ? normalisation(checkpoint) : { nodes: [], tensors: [], output: imagesName };
  const rest = operationNodes(describeNetwork(network, size), first.output);
  const tensors = [...first.tensors, ...rest.tensors, ...checkpoint.weights.map(toFloat32)];
  const bytes = tensors.reduce((sum, { data }) => sum + data.length, 0);
  if (bytes > mostBytes) {
    throw invalidOption(
      `The network's weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and an ONNX file holds at most 2 GiB: use {to=safetensors}.`,
    );
  }
  return encodeModel({
    irVersion,
    producerName: 'l2t-native',
    producerVersion: packageVersion(),
    opsetImport: [{ domain: '', version: opset }],
    metadataProps: metadata(checkpoint, normaliser),
    graph: {
      name: network.name,
      node: [...first.nodes, ...rest.nodes].map(nodeMessage),
      initializer: tensors.map(({ name, dtype, shape, data }) => ({
        name,
        dims: shape,
        dataType: dataTypes[dtype as Constant['dtype']],
        rawData: data,
      })),
      input: [valueMessage(imagesName, ['batch', 3, size, size])],
      output: [valueMessage(logitsName, ['batch', network.classes])],
    },
  });
}

/** Nodes of a graph, and the constants that they read. */
interface Nodes {
  readonly nodes: readonly Node[];
  readonly tensors: readonly NamedTensor[];
}

function constant(name: string, { dtype, shape, values }: Constant): NamedTensor {
  const numbers = dtype === 'float32' ? Float32Array.from(values) : BigInt64Array.from(values, BigInt);
  return { name, dtype, shape, data: new Uint8Array(numbers.buffer) };
}

/** (pixels − mean) / std, per channel. */
function normalisation({ normalisation: { mean, std } }: Checkpoint): Nodes & { readonly output: string } {
  const output = 'normalised';
  const nodes: Node[] = [
    { opType: 'Sub', input: [imagesName, 'mean'], output: ['centred'], attributes: {} },
    { opType: 'Div', input: ['centred', 'std'], output: [output], attributes: {} },
  ];
  const byChannel = { dtype: 'float32', shape: [1, 3, 1, 1] } as const;
  const tensors = [constant('mean', { ...byChannel, values: mean }), constant('std', { ...byChannel, values: std })];
  return { nodes, tensors, output };
}

/** Each operation's nodes. `images`: the name of value 0. */
function operationNodes({ operations, sides }: NetworkDescription, images: string): Nodes {
  const values = [images];
  const nodes: Node[] = [];
  const made: NamedTensor[] = [];
  for (const [i, { kind, inputs, tensors, settings }] of operations.entries()) {
    const rows = onnxOperations[kind];
    if (rows === undefined) throw new L2TError('INTERNAL', `The operation ${kind} has no row in the table for ONNX.`);
    const output = i === operations.length - 1 ? logitsName : `value_${i + 1}`;
    const side = sides[inputs[0] as number] as number;
    let read = inputs.map((value) => values[value] as string);
    for (const [k, { opType, tensors: parts = [], attributes, constants }] of rows.entries()) {
      const result = k === rows.length - 1 ? output : `${output}_${k}`;
      const constantTensors = (constants?.(settings, side) ?? []).map((each, n) =>
        constant(`${result}_constant_${n}`, each),
      );
      const input = [
        ...read,
        ...parts.flatMap((part) => tensors[part] ?? []),
        ...constantTensors.map(({ name }) => name),
      ];
      nodes.push({ opType, input, output: [result], attributes: attributes?.(settings) ?? {} });
      made.push(...constantTensors);
      read = [result];
    }
    values.push(output);
  }
  return { nodes, tensors: made };
}

/** Returns what a user of the file must know besides the graph: texts by name. */
function metadata({ network, size, classNames, normalisation: by }: Checkpoint, normaliser: Normaliser) {
  const entries = {
    network: network.name,
    width: String(network.width),
    size: String(size),
    ...(classNames && { class_names: JSON.stringify(classNames) }),
    normalisation: JSON.stringify(by),
    normalise: normaliser,
    resize: JSON.stringify(size < largeSize ? { square: size } : { short_side: shortSide(size), crop: size }),
  };
  return Object.entries(entries).map(([key, value]) => ({ key, value }));
}
