import protobuf from 'protobufjs/light.js';

/**
 * The messages of ONNX that are written or read here, with the field numbers of onnx.proto3: name of the message → name
 * of a field → its number, its type, and `repeated` where it is a list. What is not here is skipped when a file is read.
 */
const messages = {
  ModelProto: {
    irVersion: [1, 'int64'],
    producerName: [2, 'string'],
    producerVersion: [3, 'string'],
    graph: [7, 'GraphProto'],
    opsetImport: [8, 'OperatorSetIdProto', 'repeated'],
    metadataProps: [14, 'StringStringEntryProto', 'repeated'],
    functions: [25, 'FunctionProto', 'repeated'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  GraphProto: {
    node: [1, 'NodeProto', 'repeated'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto', 'repeated'],
    input: [11, 'ValueInfoProto', 'repeated'],
    output: [12, 'ValueInfoProto', 'repeated'],
    sparseInitializer: [15, 'SparseTensorProto', 'repeated'],
  },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, 'string', 'repeated'],
    output: [5, 'string', 'repeated'],
    node: [7, 'NodeProto', 'repeated'],
    opsetImport: [9, 'OperatorSetIdProto', 'repeated'],
    domain: [10, 'string'],
    attributeProto: [11, 'AttributeProto', 'repeated'],
    overload: [13, 'string'],
  },
  NodeProto: {
    input: [1, 'string', 'repeated'],
    output: [2, 'string', 'repeated'],
    name: [3, 'string'],
    opType: [4, 'string'],
    attribute: [5, 'AttributeProto', 'repeated'],
    domain: [7, 'string'],
    overload: [8, 'string'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    ints: [8, 'int64', 'repeated'],
    tensors: [10, 'TensorProto', 'repeated'],
    graphs: [11, 'GraphProto', 'repeated'],
    type: [20, 'int32'],
    sparseTensor: [22, 'SparseTensorProto'],
    sparseTensors: [23, 'SparseTensorProto', 'repeated'],
  },
  TensorProto: {
    dims: [1, 'int64', 'repeated'],
    dataType: [2, 'int32'],
    name: [8, 'string'],
    rawData: [9, 'bytes'],
    externalData: [13, 'StringStringEntryProto', 'repeated'],
    dataLocation: [14, 'int32'],
  },
  SparseTensorProto: { values: [1, 'TensorProto'], indices: [2, 'TensorProto'] },
  ValueInfoProto: { name: [1, 'string'], type: [2, 'TypeProto'] },
  TypeProto: { tensorType: [1, 'TensorTypeProto'] },
  TensorTypeProto: { elemType: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  TensorShapeProto: { dim: [1, 'DimensionProto', 'repeated'] },
  DimensionProto: { dimValue: [1, 'int64'], dimParam: [2, 'string'] },
} as const satisfies Readonly<Record<string, Readonly<Record<string, readonly [number, string, 'repeated'?]>>>>;
type Messages = typeof messages;

/** A message as it is read: lists are never absent, other fields may be. */
export type Message<M extends keyof Messages> = {
  readonly [F in keyof Messages[M] as Messages[M][F] extends readonly [number, string, 'repeated']
    ? F
    : never]: readonly FieldValue<Messages[M][F]>[];
} & {
  readonly [F in keyof Messages[M] as Messages[M][F] extends readonly [number, string, 'repeated']
    ? never
    : F]?: FieldValue<Messages[M][F]>;
};
type FieldValue<R> = R extends readonly [number, infer T, 'repeated'?]
  ? T extends keyof Messages
    ? Message<T>
    : T extends 'string'
      ? string
      : T extends 'bytes'
        ? Uint8Array
        : number
  : never;

const root = new protobuf.Root();
for (const [name, fields] of Object.entries(messages)) {
  const type = new protobuf.Type(name);
  for (const [field, [number, kind, rule]] of Object.entries(fields) as [string, [number, string, string?]][]) {
    type.add(new protobuf.Field(field, number, kind, rule));
  }
  root.add(type);
}

/** `elem_type` and `data_type` of tensors (TensorProto.DataType). */
export const dataTypes = { float32: 1, int64: 7 } as const;

/** The names of all types of tensors, by number. */
export const typeNames = [
  ...['undefined', 'float32', 'uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'string', 'bool', 'float16'],
  ...['float64', 'uint32', 'uint64', 'complex64', 'complex128', 'bfloat16'],
];

/** Kinds of attributes (AttributeProto.AttributeType). */
const attributeTypes = { f: 1, i: 2, ints: 7 } as const;

/** An attribute of a node, but for its name. */
export type Attribute = { readonly f: number } | { readonly i: number } | { readonly ints: readonly number[] };

export interface Node {
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A node as a message. Its name is that of its output. */
export function nodeMessage({ opType, input, output, attributes }: Node) {
  const attribute = Object.entries(attributes).map(([name, value]) => {
    const [kind] = Object.keys(value) as [keyof typeof attributeTypes];
    return { name, type: attributeTypes[kind], ...value };
  });
  return { name: output[0], opType, input, output, attribute };
}

/** A value of the graph: a number fixes a dimension, a text names one that is free. */
export function valueMessage(name: string, shape: readonly (number | string)[]) {
  const dim = shape.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType: dataTypes.float32, shape: { dim } } } };
}

/** The bytes of a ModelProto. */
export function encodeModel(model: Readonly<Record<string, unknown>>): Uint8Array {
  return root.lookupType('ModelProto').encode(model).finish();
}

/** A ModelProto as plain objects. @throws Error if the bytes are none. */
export function decodeModel(bytes: Uint8Array): Message<'ModelProto'> {
  const reader = protobuf.Reader.create(bytes);
  // The package's own int64 returns an object, which is slow and needs a conversion everywhere.
  const long = reader.int64;
  reader.int64 = () => Number(String(long.call(reader))) as unknown as ReturnType<typeof long>;
  return root.lookupType('ModelProto').decode(reader) as unknown as Message<'ModelProto'>;
}
