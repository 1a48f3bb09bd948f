/** The minimal work of an iteration's layers, to compare their times with; bench/README.md says how it is counted. */
import { addon, type BenchJob, type MachineSpeed, type NetworkDescription } from '../../src/native/addon.js';
import { elementCount } from '../../src/native/tensor.js';
import { sum } from '../../src/system/statistics.js';
import type { LayerTiming } from '../parity/observe.js';

export interface Cost {
  /** Operations of matrix products; a multiplication and an addition count as two. */
  readonly flop: number;
  /** Bytes read and written, each map and parameter once. */
  readonly bytes: number;
}

/** Seconds that a call takes at least: its products at the machine's best rate, or its bytes at the memory's. */
export interface Floor {
  /** Absent where neither was counted. */
  readonly floor?: number;
  /** Which of the two takes longer. */
  readonly bound?: 'products' | 'memory';
  /** floor ÷ seconds. Above 1 where what is read or written stays in the caches. */
  readonly share?: number;
}

export interface Layer extends LayerTiming, Cost, Floor {
  /** The part's name; for a unit and for the matching loss at a map its shape, such as `64→128 @16`. */
  readonly name: string;
  /** The operations that a unit fuses, by their kinds; empty for anything else. */
  readonly operations: readonly string[];
}

export function floorOf({ flop, bytes }: Cost, seconds: number, { gemmGflops, bandwidthGBs }: MachineSpeed): Floor {
  const [products, memory] = [flop / (1e9 * gemmGflops), bytes / (1e9 * bandwidthGBs)];
  const floor = Math.max(products, memory);
  return floor > 0 ? { floor, bound: products >= memory ? 'products' : 'memory', share: floor / seconds } : {};
}

/** Bytes of a float32. */
const float = 4;
const sweeps = ['forward', 'backward', 'tangent', 'tangent-backward'];

/** Names the layers of a case, and adds what each must do. */
export function described(timings: readonly LayerTiming[], job: BenchJob, machine: MachineSpeed): Layer[] {
  const { source, sourceSize, target, size, batch } = job;
  const from = new Sizes(addon().describe(source.network, sourceSize));
  const to = new Sizes(addon().describe(target, size));
  const operations: readonly string[] = [];
  const about = (timing: LayerTiming): Cost & Pick<Layer, 'name' | 'operations'> => {
    const [shape = [], ...others] = timing.shapes;
    const vector = (name: string, times: number) => ({
      name,
      operations,
      flop: 0,
      bytes: float * times * elementCount(shape),
    });
    switch (timing.part) {
      case 'unit':
        return to.unit(timing, batch);
      case 'source':
        return { name: `${source.network.name} @${sourceSize}`, operations, ...from.inference(timing.products, batch) };
      case 'matching':
        return { operations, ...matching(timing.sweep, shape, others) };
      case 'vectors':
        return timing.sweep === 'Adam' ? vector('φ', 7) : vector('θ', 5);
      default:
        return vector(timing.part === 'loss' ? 'cross-entropy' : 'w and λ', 0);
    }
  };
  return timings.map((timing) => {
    const layer = about(timing);
    return { ...timing, ...layer, ...floorOf(layer, timing.seconds, machine) };
  });
}

/** The sizes of a network's values, by their indices, and of its operations' parameters. */
class Sizes {
  readonly #network: NetworkDescription;
  readonly #channels: number[] = [3];
  readonly #parameters: readonly number[];

  constructor(network: NetworkDescription) {
    this.#network = network;
    const shapes = new Map(network.parameters.map(({ name, shape }) => [name, shape]));
    this.#parameters = network.operations.map(({ tensors }) =>
      sum(Object.values(tensors).map((name) => (shapes.has(name) ? elementCount(shapes.get(name) ?? []) : 0))),
    );
    for (const { kind, inputs, tensors, settings } of network.operations) {
      const [value = 0] = inputs;
      const before = this.#channels[value] as number;
      const [made = before] = (/^(conv2d|linear)$/.test(kind) && shapes.get(tensors.weight as string)) || [];
      const { before: zeros = 0, after = 0 } = settings;
      this.#channels.push(kind === 'flatten' ? this.#elements(value) : made + zeros + after);
    }
  }

  #elements = (value: number): number =>
    (this.#channels[value] as number) * (this.#network.sides[value] as number) ** 2;

  /** The cost of a network with running statistics. Batch norm, ReLU and the residual are fused into a map's write. */
  inference(products: number, images: number): Cost {
    const { operations } = this.#network;
    const maps = sum(operations.map(({ kind }, i) => (kind === 'conv2d' ? 2 * this.#elements(i + 1) : 0)));
    const bytes = float * (images * (this.#elements(0) + maps) + sum(this.#parameters));
    return { flop: 2 * images * products, bytes };
  }

  unit(unit: LayerTiming, images: number) {
    const { first, inputs, outputs, products } = unit;
    const end = outputs.at(-1) as number;
    const operations = this.#network.operations.slice(first, end).map(({ kind }) => kind);
    const parameters = sum(this.#parameters.slice(first, end));
    const [from = 0] = inputs;
    const shown = parameters > 0 ? first + 1 : from;
    const [before, after, side = 1] = [this.#channels[from], this.#channels[shown], this.#network.sides[shown]];
    const name = `${parameters > 0 ? `${before}→${after}` : before}${side > 1 ? ` @${side}` : ''}`;
    // 1 if the unit computes x̄ and ẋ.
    const x = from === 0 ? 0 : 1;
    const sweep = sweeps.indexOf(unit.sweep);
    const times = [1, 1 + x, 1 + x, 1 + 3 * x][sweep] as number;
    // Passes over the parameters, with their gradients.
    const reads = [1, 1 + x, 2, 3][sweep] as number;
    const elements = this.#traffic(unit, operations, parameters > 0)[sweep];
    const bytes = float * (images * (elements as number) + parameters * reads);
    return { name, operations, flop: 2 * images * products * times, bytes };
  }

  /** Elements that each sweep of a unit reads and writes. Batch norm's sweeps read the convolution's map. */
  #traffic({ inputs, outputs, read }: LayerTiming, [kind = '']: readonly string[], trained: boolean): number[] {
    const all = (values: readonly number[]) => sum(values.map(this.#elements));
    const [from = 0, made = 0] = [inputs[0], outputs[0]];
    const xBar = from === 0 ? 0 : this.#elements(from);
    const map = kind === 'conv2d' ? this.#elements(made) : 0;
    const masks = /^(relu6?|max_pool)$/.test(kind) ? this.#elements(made) : 0;
    const kept = trained ? this.#elements(from) + map : masks;
    const forward = all(inputs) + all(outputs);
    const later = all(read) + kept + xBar + all(inputs.slice(1));
    if (kind === 'flatten') return [0, 0, 0, 0];
    // A cotangent passes to both inputs as it is.
    if (kind === 'add') return [forward, 0, later, 0];
    return [forward, later, later, later + (trained ? xBar + 2 * map : 0)];
  }
}

/**
 * Name and cost of the matching loss at a map. The products are the fewer of two forms: the direct one, and that of Gram
 * matrices, which never makes the difference of the maps and works on a smaller source map at its own size.
 */
function matching(sweep: string, t: readonly number[], sources: readonly (readonly number[])[]) {
  const [images = 0, channels = 0, side = 0] = t;
  const places = side ** 2;
  const sourceChannels = sum(sources.map(([, count = 0]) => count));
  // A larger source map counts as resized.
  const sourceElements = sum(sources.map(([, count = 0, height = 0]) => count * Math.min(places, height ** 2)));
  const name = `${channels}→${sourceChannels} @${side}`;
  const counts = matchingCounts[sweep];
  if (counts === undefined) return { name, flop: 0, bytes: 0 };
  const { direct, gram, maps, branches } = counts;
  const asGram =
    channels * (gram[0] * channels * places + gram[1] * channels * sourceChannels + gram[2] * sourceElements);
  const products = Math.min(direct * channels * sourceChannels * places, asGram);
  const elements = images * (maps * channels * places + sourceElements) + branches * channels * sourceChannels;
  return { name, flop: 2 * images * products, bytes: float * elements };
}

/**
 * How often a sweep does the products of each form (of Gram matrices: C² HW, C² ΣC_s and C Σ C_s min(hw, HW)), and how
 * many maps like t, and tensors like the branches' weights, it reads and writes.
 */
const matchingCounts: Readonly<
  Record<string, { direct: number; gram: readonly [number, number, number]; maps: number; branches: number }>
> = {
  'forward, backward': { direct: 3, gram: [2, 2, 2], maps: 2, branches: 2 },
  tangent: { direct: 3, gram: [1, 1, 1], maps: 2, branches: 2 },
  'tangent, tangent-backward': { direct: 7, gram: [3, 3, 2], maps: 3, branches: 3 },
};
