import { invalidWeights } from '../../system/failures.js';
import { limitError } from '../../system/limits.js';
import type { OnnxMap } from './maps.js';
import { dataTypes, type Node, nodeMessage } from './messages.js';
import { type OnnxModel, requireMaps } from './model.js';
import { extended, type InferenceSession, onnxRuntime, openSession, type Tensor, wordsOf } from './runtime.js';

/** Maps and logits of a batch. */
export interface OnnxResult {
  /** B×C×H×W each, in the order of the model's maps. */
  readonly maps: Float32Array[];
  /** B×classes, if the model has them. */
  readonly logits?: Float32Array;
}

/** The name of the output for map `k`. No exporter makes such names. */
const outputName = (k: number): string => `l2t-native/map_${k}`;

/** Nodes that bring a map to float32 and B×C×H×W, and the constants that they read. */
function conversion({ name, channels, side, layout, skip }: OnnxMap, k: number) {
  const made = outputName(k);
  const values = (part: string, numbers: readonly number[]) => ({
    name: `${made}/${part}`,
    dims: [numbers.length],
    dataType: dataTypes.int64,
    rawData: new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer),
  });
  const image = Array.from({ length: side ** 2 }, (_, token) => skip + token);
  const constants = layout === 'tokens' ? [values('tokens', image), values('shape', [0, channels, side, side])] : [];
  const [tokens, shape] = constants.map((each) => each.name) as [string, string];
  const steps: Pick<Node, 'opType' | 'input' | 'attributes'>[] = [
    { opType: 'Cast', input: [], attributes: { to: { i: dataTypes.float32 } } },
    ...{
      nchw: [],
      nhwc: [{ opType: 'Transpose', input: [], attributes: { perm: { ints: [0, 3, 1, 2] } } }],
      tokens: [
        { opType: 'Gather', input: [tokens], attributes: { axis: { i: 1 } } },
        { opType: 'Transpose', input: [], attributes: { perm: { ints: [0, 2, 1] } } },
        { opType: 'Reshape', input: [shape], attributes: {} },
      ],
    }[layout],
  ];
  const nodes = steps.map(({ opType, input: more, attributes }, i) => {
    const read = i === 0 ? name : `${made}/${i - 1}`;
    const output = i === steps.length - 1 ? made : `${made}/${i}`;
    return nodeMessage({ opType, input: [read, ...more], output: [output], attributes });
  });
  return { nodes, constants };
}

/** Runs a model of ONNX on the CPU. */
export class OnnxSession {
  private constructor(
    private readonly model: OnnxModel,
    private readonly session: InferenceSession,
    private readonly tensor: typeof Tensor,
  ) {}

  /**
   * Opens a model. Tensors that are no outputs become outputs, in memory.
   * @throws L2TError INVALID_OPTION if it has no feature maps, or ONNX Runtime is not installed; INVALID_WEIGHTS.
   */
  static async open(model: OnnxModel, threads: number): Promise<OnnxSession> {
    requireMaps(model);
    const { maps, logits, outputs, bytes, path } = model;
    const conversions = maps.map(conversion);
    const names = [...maps.map((_, k) => outputName(k)), ...(logits && !outputs.includes(logits) ? [logits] : [])];
    const graph = {
      node: conversions.flatMap(({ nodes }) => nodes),
      initializer: conversions.flatMap(({ constants }) => constants),
      output: names.map((name) => ({ name })),
    };
    const runtime = await onnxRuntime();
    const session = await openSession(runtime, extended(bytes, graph), threads).catch((cause) => {
      throw failed(`ONNX Runtime does not load ${path}`, cause);
    });
    return new OnnxSession(model, session, runtime.Tensor);
  }

  /**
   * The maps of `batch` normalised images, B×3×size×size. Where the file fixes the number of images, they are run in
   * pieces of that many, the last one filled with zeros.
   * @throws L2TError INVALID_WEIGHTS.
   */
  async run(images: Float32Array, batch: number): Promise<OnnxResult> {
    const { maps, logits, classes, batch: piece = batch, size, path } = this.model;
    const lengths = [...maps.map(({ channels, side }) => channels * side ** 2), ...(logits ? [classes] : [])];
    const names = [...maps.map((_, k) => outputName(k)), ...(logits ? [logits] : [])];
    const area = 3 * size ** 2;
    const parts: Float32Array[][] = [];
    for (let at = 0; at < batch; at += piece) {
      const count = Math.min(piece, batch - at);
      const outputs = await this.runPiece(images.subarray(at * area, (at + count) * area), piece, names);
      for (const [k, { length }] of outputs.entries()) {
        if (length === piece * (lengths[k] as number)) continue;
        throw invalidWeights(
          `${path}: of ${piece} images, output ${names[k]} has ${length} values, where ${piece * (lengths[k] as number)} are expected. If its graph fixes the number of images, export it with that number in its input's shape, or with a free one.`,
        );
      }
      parts.push(outputs.map((values, k) => values.subarray(0, count * (lengths[k] as number))));
    }
    const results = lengths.map((_, k) => joined(parts.map((part) => part[k] as Float32Array)));
    const taken = results.slice(0, maps.length);
    return logits ? { maps: taken, logits: results[maps.length] as Float32Array } : { maps: taken };
  }

  private async runPiece(images: Float32Array, piece: number, names: readonly string[]): Promise<Float32Array[]> {
    const { input, size, path } = this.model;
    const full = new Float32Array(piece * 3 * size ** 2);
    full.set(images);
    const feeds = { [input]: new this.tensor('float32', full, [piece, 3, size, size]) };
    const outputs = await this.session.run(feeds, names).catch((cause) => {
      throw failed(`ONNX Runtime does not run ${path} on ${piece} images`, cause);
    });
    return names.map((name) => outputs[name]?.data as Float32Array);
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

/** Pieces one after another. A single one is not copied: maps are large. */
function joined(pieces: readonly Float32Array[]): Float32Array {
  if (pieces.length === 1) return pieces[0] as Float32Array;
  const whole = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const failed = (what: string, cause: unknown) =>
  limitError(cause) ?? invalidWeights(`${what}: ${wordsOf(cause)}`, cause);
