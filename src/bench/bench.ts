import { addon, type EngineName, type GraphTiming } from '../native/addon.js';
import { requireComputable } from '../options/consistent.js';
import { median } from '../system/statistics.js';
import { defaultThreads } from '../system/threads.js';
import {
  type BenchCaseName,
  type BenchSettings,
  benchCases,
  benchDevice,
  benchJob,
  isBilevel,
  iterationGflop,
  iterationsBeforeGraph,
  runsAsGraph,
  secondsIn,
} from './cases.js';
import { type PeakMemory, peakMemory } from './peak.js';

/** Seconds of one iteration. */
export interface Seconds {
  readonly min: number;
  readonly median: number;
}

/** One engine's figures on one case. */
export interface EngineTiming extends PeakMemory, ReturnType<Subject['timing']> {
  /** On a GPU: the share of its float32 peak that `iterationGflop` in the fastest iteration is. */
  readonly peakShare?: number | undefined;
}

export type BenchResult = Awaited<ReturnType<typeof bench>>;

interface BenchOptions extends Omit<BenchSettings, 'threads'> {
  /** Absent: all cores. */
  readonly threads?: number | undefined;
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  /** Rounds up to 0 are warm-ups. `seconds`: without a graph. */
  readonly onRound?: (round: number, engine: EngineName, seconds: number) => void;
}

/**
 * Times engines on a case: warm-ups, then `rounds` iterations, the engines taking turns, so that other load on the
 * machine affects both. Peak memory is measured afterwards, each engine in a process of its own.
 */
export async function bench(name: BenchCaseName, options: BenchOptions) {
  const { engines, rounds, threads = defaultThreads(), convolution, batch = benchCases[name].batch } = options;
  const innerSteps = isBilevel(name) ? options.innerSteps : undefined;
  const placed = benchDevice(options.device);
  requireComputable({ convolution }, placed.device, 1);
  const settings = { device: placed.device, threads, convolution, innerSteps: options.innerSteps, batch };
  const machine = placed.gpu ? undefined : await addon().measureMachine(threads);
  const gflop = iterationGflop(benchJob(name, 'native', settings), innerSteps);
  const subjects = engines.map((engine) => new Subject(name, engine, settings));
  for (let round = placed.gpu ? -iterationsBeforeGraph : 0; round <= rounds; round++) {
    for (const subject of subjects) {
      const seconds = await subject.iterate(round <= 0);
      options.onRound?.(round, subject.engine, seconds);
    }
  }
  const cases: EngineTiming[] = [];
  for (const subject of subjects) {
    const timing = subject.timing(batch);
    const peakShare = placed.gpu?.float32Gflops ? gflop / timing.seconds.min / placed.gpu.float32Gflops : undefined;
    cases.push({ ...timing, ...(await peakMemory({ name, engine: subject.engine, settings })), peakShare });
  }
  const fastest = (engine: EngineName) => cases.find((timing) => timing.engine === engine)?.seconds.min;
  const [native, autograd] = [fastest('native'), fastest('autograd')];
  return {
    case: name,
    ...placed,
    ...{ batch, threads, convolution, rounds },
    /** Undefined for a method without virtual steps. */
    innerSteps,
    /** The CPU's peak speed, measured before the iterations; undefined on a GPU. */
    machine,
    /** Products of an iteration, done directly. */
    iterationGflop: gflop,
    cases,
    /** autograd ÷ native, of the minimum times; undefined unless both ran. */
    ratio: native !== undefined && autograd !== undefined ? autograd / native : undefined,
  };
}

/** One engine on a case, with what was measured. */
class Subject {
  readonly #bench;
  readonly #asGraph: boolean;
  #phases: Readonly<Record<string, number>>[] = [];
  #graphs: GraphTiming[] = [];

  constructor(
    name: BenchCaseName,
    readonly engine: EngineName,
    settings: BenchSettings,
  ) {
    this.#bench = new (addon().Bench)(benchJob(name, engine, settings));
    this.#asGraph = runsAsGraph(engine, settings.device);
  }

  /** An iteration, and where training would run it as a graph, one more. Returns the seconds of the first. */
  async iterate(warmUp: boolean): Promise<number> {
    const phases = await this.#bench.iterate();
    if (!warmUp) this.#phases.push(phases);
    const graph = this.#asGraph ? await this.#bench.iterateAsGraph() : undefined;
    if (graph && !warmUp) this.#graphs.push(graph);
    return secondsIn(phases);
  }

  timing(batch: number) {
    const eager = secondsOf(this.#phases.map(secondsIn));
    const graph = this.#asGraph ? secondsOf(this.#graphs.map(({ seconds }) => seconds)) : undefined;
    const seconds = graph ?? eager;
    const medianOf = (phase: string) => median(this.#phases.map((measured) => measured[phase] ?? 0));
    return {
      engine: this.engine,
      /** Seconds of a training iteration; on a GPU, the native engine's is one CUDA graph. */
      seconds,
      /** Seconds of the same iteration without a graph, if `seconds` are a graph's. */
      eagerSeconds: graph && eager,
      /** Number of kernels, copies and fills in the graph. */
      launches: graph && (this.#graphs[0]?.launches ?? 0),
      /** Images trained on per second, in the fastest iteration. */
      imagesPerSecond: batch / seconds.min,
      /** Median seconds of each phase; without a graph. */
      phases: Object.fromEntries(Object.keys(this.#phases[0] ?? {}).map((phase) => [phase, medianOf(phase)])),
    };
  }
}

export const secondsOf = (all: readonly number[]): Seconds => ({ min: Math.min(...all), median: median(all) });
