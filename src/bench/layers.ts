import { addon, type LayerTiming, type MachineSpeed } from '../native/addon.js';
import { sum } from '../system/statistics.js';
import { type BenchCaseName, type BenchSettings, benchCases, benchJob, isBilevel, secondsIn } from './cases.js';

/** One row of the table: a kind of work of an iteration, such as a sweep of one of the target's units. */
export interface Layer extends Omit<LayerTiming, 'flop' | 'bytes'> {
  /**
   * Seconds that a call takes at least on this machine: its products of matrices at the machine's best rate, or what it
   * must read and write at the memory's best, whichever takes longer. Absent where neither was counted.
   */
  readonly floor?: number;
  /** Which of the two takes longer. */
  readonly bound?: 'products' | 'memory';
  /** floor ÷ seconds. Above 1 where what is read or written stays in the caches. */
  readonly share?: number;
}

/** An iteration of the native engine on the CPU, layer by layer. */
export type LayersResult = Awaited<ReturnType<typeof benchLayers>>;

/** How layers are timed. */
export interface LayersOptions extends Omit<BenchSettings, 'device'> {
  /** Timed iterations, after one that warms up. */
  readonly rounds: number;
  readonly onRound?: (round: number, seconds: number) => void;
}

/** Times an iteration of the native engine on the CPU, layer by layer. */
export async function benchLayers(name: BenchCaseName, options: LayersOptions) {
  const { threads, convolution, innerSteps, rounds, onRound, batch = benchCases[name].batch } = options;
  const { Bench, measureMachine } = addon();
  const job = benchJob(name, 'native', { device: 'cpu', threads, convolution, innerSteps, batch });
  const before = await measureMachine(threads);
  const subject = new Bench({ ...job, layers: true });
  let seconds = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= rounds; round++) {
    const taken = secondsIn(await subject.iterate());
    if (round > 0) seconds = Math.min(seconds, taken);
    onRound?.(round, taken);
  }
  const after = await measureMachine(threads);
  const machine = {
    gemmGflops: Math.max(before.gemmGflops, after.gemmGflops),
    bandwidthGBs: Math.max(before.bandwidthGBs, after.bandwidthGBs),
  };
  const layers = subject.layers().map((timing) => layerOf(timing, machine));
  const inLayers = sum(layers.map(({ calls, seconds: each }) => calls * each));
  return {
    case: name,
    ...{ batch, threads, convolution, rounds },
    /** The machine's peak speed, the better of before and after. */
    machine,
    layers,
    innerSteps: isBilevel(name) ? innerSteps : undefined,
    total: totalOf(layers),
    /** The fastest iteration, and what of it is in no layer: resizing the source's maps, sums of cotangents and the like. */
    iteration: { seconds, rest: Math.max(0, seconds - inLayers) },
  };
}

/** Adds the floor to a timing. */
export function layerOf({ flop, bytes, ...timing }: LayerTiming, machine: MachineSpeed): Layer {
  const [products, memory] = [flop / (1e9 * machine.gemmGflops), bytes / (1e9 * machine.bandwidthGBs)];
  const floor = Math.max(products, memory);
  if (floor === 0) return timing;
  return { ...timing, floor, bound: products >= memory ? 'products' : 'memory', share: floor / timing.seconds };
}

/** Sums over the layers with a floor, each as often as an iteration runs it, seconds. */
export function totalOf(layers: readonly Layer[]) {
  const withFloor = layers.filter(({ floor }) => floor !== undefined);
  const seconds = sum(withFloor.map((layer) => layer.calls * layer.seconds));
  const floor = sum(withFloor.map((layer) => layer.calls * (layer.floor ?? 0)));
  return { seconds, floor, share: floor / seconds };
}
