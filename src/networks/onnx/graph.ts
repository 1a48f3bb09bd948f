import type { L2TError } from '../../errors.js';
import { invalidWeights } from '../../system/failures.js';
import { someOf } from '../../system/printable.js';
import { dataTypes, type Message, typeNames } from './messages.js';

/** The properties of an ONNX file that are read before it is run. */
export interface GraphFacts {
  /** The name of its input. */
  readonly input: string;
  /** Images of a run, where the file fixes their number. */
  readonly batch: number | undefined;
  /** Side of the images, pixels, where the file fixes it. */
  readonly side: number | undefined;
  /** Names of its outputs. */
  readonly outputs: readonly string[];
  /** The tensor that has the logits if it is B × classes: the first output, or what its softmax reads. */
  readonly logits: string;
  /** Tensors through which every path from the images to the first output passes, in order. */
  readonly passed: readonly { readonly name: string; readonly depth: number }[];
  /** All tensors that depend on the images. */
  readonly fromImages: ReadonlySet<string>;
  /** The stride of the convolution that cuts the images into patches, if there is one. */
  readonly patch: number | undefined;
  /** The file's own entries: texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

type Node = Message<'NodeProto'>;
type Graph = Pick<Message<'GraphProto'>, 'node' | 'initializer' | 'sparseInitializer'> & {
  /** Names of its inputs. */
  readonly inputs: readonly string[];
};

/** A node, and all tensors that it reads: its inputs, and what its subgraphs take from outside. */
interface Step {
  readonly node: Node;
  readonly reads: readonly string[];
}

const maxNodes = 100_000;

/**
 * Checks an ONNX model, and finds its feature maps' candidates.
 * @throws L2TError INVALID_WEIGHTS.
 */
export function readGraph(model: Message<'ModelProto'>, file: string): GraphFacts {
  const { graph, functions, metadataProps } = model;
  if (!graph?.output.length || graph.node.length === 0)
    throw invalidWeights(`${file} is no ONNX model: it has no graph.`);
  const checked = checker(file);
  checkFunctions(functions, checked, file);
  const initial = new Set(graph.initializer.map(({ name = '' }) => name));
  const { steps, free } = checked({ ...graph, inputs: namesOf(graph.input) });
  requireNone(free, file);
  const { input, batch, side } = imagesOf(
    graph.input.filter(({ name = '' }) => !initial.has(name)),
    file,
  );
  const outputs = namesOf(graph.output);
  const first = outputs[0] as string;
  const { order, fromImages } = paths(steps, input, first);
  if (!fromImages.has(first))
    throw invalidWeights(`${file}: its first output, ${first}, does not depend on the images.`);
  const last = steps.find(({ node }) => node.output.includes(first))?.node;
  return {
    input,
    batch,
    side,
    outputs,
    logits: last?.opType === 'Softmax' ? (last.input[0] as string) : first,
    passed: passedByAll(order),
    fromImages,
    patch: patchOf(steps, graph, fromImages),
    metadata: Object.fromEntries(metadataProps.map(({ key = '', value = '' }) => [key, value])),
  };
}

const namesOf = (values: readonly { readonly name?: string }[]): string[] => values.map(({ name = '' }) => name);

/** Returns a function that checks a graph and its subgraphs. It counts the nodes of all its calls together. */
function checker(file: string) {
  let nodes = 0;
  const inside = (tensor: Message<'TensorProto'> | undefined | null): void => {
    if (tensor?.dataLocation !== 1 && !tensor?.externalData.length) return;
    const advice = "onnx.save(onnx.load('model.onnx'), 'merged.onnx')";
    throw invalidWeights(
      `${file}: its weights are in another file. Merge them with \`onnx.save\`, in Python: ${advice}.`,
    );
  };
  const sparse = ({ values, indices }: Message<'SparseTensorProto'>): void => [values, indices].forEach(inside);
  /** The nodes in an order in which each reads what those before it make, and the names that come from outside. */
  return function check({ node, initializer, sparseInitializer, inputs }: Graph): { steps: Step[]; free: string[] } {
    nodes += node.length;
    if (nodes > maxNodes) throw invalidWeights(`${file} has more than ${maxNodes.toLocaleString('en')} nodes.`);
    initializer.forEach(inside);
    sparseInitializer.forEach(sparse);
    const steps = node.map((each): Step => {
      const taken = each.attribute.flatMap(({ t, tensors, sparseTensor, sparseTensors, g, graphs }) => {
        [t, ...tensors].forEach(inside);
        [...(sparseTensor ? [sparseTensor] : []), ...sparseTensors].forEach(sparse);
        return [...(g ? [g] : []), ...graphs].flatMap(
          (inner) => check({ ...inner, inputs: namesOf(inner.input) }).free,
        );
      });
      // An absent optional input has the name ''.
      return { node: each, reads: [...new Set([...each.input, ...taken])].filter((name) => name !== '') };
    });
    const known = new Set([
      ...inputs,
      ...namesOf(initializer),
      ...sparseInitializer.map(({ values }) => values?.name ?? ''),
    ]);
    return inOrder(steps, known, file);
  };
}

/** Orders nodes so that each reads what those before it make. `free`: what is neither made nor known. */
function inOrder(steps: readonly Step[], known: ReadonlySet<string>, file: string): { steps: Step[]; free: string[] } {
  const makers = new Map(steps.flatMap((step) => step.node.output.map((name) => [name, step] as const)));
  const readers = new Map<Step, Step[]>(steps.map((step) => [step, []]));
  const waiting = new Map<Step, number>();
  const free = new Set<string>();
  for (const step of steps) {
    const makersOf = step.reads.flatMap((name) => makers.get(name) ?? []);
    for (const name of step.reads) if (!makers.has(name) && !known.has(name)) free.add(name);
    for (const maker of makersOf) readers.get(maker)?.push(step);
    waiting.set(step, makersOf.length);
  }
  const order = steps.filter((step) => waiting.get(step) === 0);
  for (const step of order) {
    for (const reader of readers.get(step) as Step[]) {
      const left = (waiting.get(reader) as number) - 1;
      waiting.set(reader, left);
      if (left === 0) order.push(reader);
    }
  }
  if (order.length < steps.length) throw invalidWeights(`${file}: its graph has a cycle.`);
  return { steps: order, free: [...free] };
}

function requireNone(missing: readonly string[], file: string): void {
  if (missing.length === 0) return;
  throw invalidWeights(`${file}: its nodes read tensors that nothing makes: ${someOf(missing, 5)}. Export it again.`);
}

/** Checks each function as a graph, and that none calls itself. */
function checkFunctions(
  functions: readonly Message<'FunctionProto'>[],
  check: ReturnType<typeof checker>,
  file: string,
): void {
  const nameOf = (domain = '', name = '', overload = '') => [domain, name, overload].join('\n');
  const calls = functions.map(({ domain, name, overload, input, node }): Step => {
    const { steps, free } = check({ node, initializer: [], sparseInitializer: [], inputs: input });
    requireNone(free, file);
    const called = steps.map(({ node: { domain: d, opType, overload: o } }) => nameOf(d, opType, o));
    return { node: { output: [nameOf(domain, name, overload)] } as unknown as Node, reads: [...new Set(called)] };
  });
  inOrder(calls, new Set(), file);
}

/** The one input for images. @throws L2TError INVALID_WEIGHTS, with the list of inputs. */
function imagesOf(inputs: readonly Message<'ValueInfoProto'>[], file: string) {
  const shapeOf = ({ type }: Message<'ValueInfoProto'>) =>
    type?.tensorType?.shape?.dim.map(({ dimValue = 0 }) => (dimValue > 0 ? dimValue : undefined)) ?? [];
  const list = inputs.map((input) => {
    const shape = shapeOf(input).map((side) => side ?? '?');
    return `${input.name} (${typeNames[input.type?.tensorType?.elemType ?? 0] ?? 'of another type'}, ${shape.join('×') || 'no shape'})`;
  });
  const refuse = (why: string): L2TError =>
    invalidWeights(
      `${file} ${why}. A source takes images as its one input: float32, batch×3×side×side. Its inputs: ${someOf(list, 10) || 'none'}.`,
    );
  const [only] = inputs;
  if (only === undefined) throw refuse('has no input');
  if (inputs.length > 1) throw refuse('has several inputs');
  if (only.type?.tensorType?.elemType !== dataTypes.float32) throw refuse('does not take float32');
  const [batch, channels = 3, height, width, ...more] = shapeOf(only);
  if (more.length > 0 || shapeOf(only).length < 4) throw refuse('takes no images');
  if (channels !== 3) throw refuse('takes images of other than 3 channels, or with the channels last');
  if (height !== undefined && width !== undefined && height !== width) throw refuse('takes images that are not square');
  return { input: only.name as string, batch, side: height ?? width };
}

/** Operations whose result depends on the shape of what they read, not on its values. */
const ofShape = new Set(['Shape', 'Size']);

/** A tensor on a path from the images to the output: its place, and that of the furthest tensor made directly from it. */
interface Place {
  readonly name: string;
  readonly depth: number;
  furthest: number;
}

/** The tensors that depend on the images, and those of them from which the output is made, in order. */
function paths(steps: readonly Step[], input: string, output: string) {
  const fromImages = new Set([input]);
  const flowing = steps.filter(({ node, reads }) => {
    const flows = !ofShape.has(node.opType ?? '') && reads.some((name) => fromImages.has(name));
    if (flows) for (const name of node.output) fromImages.add(name);
    return flows;
  });
  fromImages.delete('');
  const toOutput = new Set([output]);
  for (const { node, reads } of flowing.toReversed()) {
    if (node.output.some((name) => toOutput.has(name))) for (const name of reads) toOutput.add(name);
  }
  const places = new Map<string, Place>([[input, { name: input, depth: 0, furthest: 0 }]]);
  for (const { node, reads } of flowing) {
    for (const name of node.output.filter((each) => toOutput.has(each))) {
      const depth = places.size;
      places.set(name, { name, depth, furthest: depth });
      for (const read of reads) {
        const place = places.get(read);
        if (place) place.furthest = depth;
      }
    }
  }
  return { order: [...places.values()], fromImages };
}

/** The tensors that no other path passes by: nothing before them is read after them. */
function passedByAll(order: readonly Place[]): { name: string; depth: number }[] {
  let reach = 0;
  return order.flatMap(({ name, depth, furthest }) => {
    const passed = depth > 0 && reach <= depth;
    reach = Math.max(reach, furthest);
    return passed ? [{ name, depth }] : [];
  });
}

/** The stride of the first convolution, if its kernel is as large and square: it cuts the images into patches. */
function patchOf(
  steps: readonly Step[],
  { initializer }: Graph | Message<'GraphProto'>,
  fromImages: ReadonlySet<string>,
): number | undefined {
  const first = steps.find(({ node }) => node.opType === 'Conv' && fromImages.has(node.input[0] ?? ''))?.node;
  const listOf = (wanted: string) => first?.attribute.find(({ name }) => name === wanted)?.ints;
  const [strides, pads = []] = [listOf('strides'), listOf('pads')];
  const kernel = listOf('kernel_shape') ?? initializer.find(({ name }) => name === first?.input[1])?.dims.slice(2);
  const [stride = 1] = strides ?? [];
  const isPatch = stride > 1 && pads.every((pad) => pad === 0);
  return isPatch && [...(strides ?? []), ...(kernel ?? [])].every((each) => each === stride) ? stride : undefined;
}
