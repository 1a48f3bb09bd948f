import { monitorEventLoopDelay } from 'node:perf_hooks';
import { addon, type EngineName, type GraphTiming, type Traffic } from '../native/addon.js';
import { requireComputable } from '../options/consistent.js';
import { flagOf, named } from '../options/spelling.js';
import type { Fact } from '../ranks/facts.js';
import type { GroupOptions } from '../ranks/options.js';
import { Ranks } from '../ranks/ranks.js';
import { peakOfProcess } from '../system/limits.js';
import { median } from '../system/statistics.js';
import type { PeakMemory } from './alone.js';
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
import { measureDecoding } from './decoding.js';
import { inOwnProcess } from './process.js';

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

export type BenchResult = Awaited<ReturnType<typeof measure>>;

export interface BenchOptions extends Omit<BenchSettings, 'threads'> {
  /** Absent: all cores, or this process's share of them. */
  readonly threads?: number | undefined;
  /** The processes that share each batch. */
  readonly group?: GroupOptions | undefined;
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  /** Rounds up to 0 are warm-ups. `seconds`: without a graph. */
  readonly onRound?: (round: number, engine: EngineName, seconds: number) => void;
}

/**
 * Times engines on a case: warm-ups, then `rounds` iterations, the engines taking turns, so that other load on the
 * machine affects both. Peak memory is measured afterwards, each engine in a process of its own; of several processes,
 * it is that of rank 0 so far.
 */
export function bench(name: BenchCaseName, options: BenchOptions): Promise<BenchResult> {
  return Ranks.use(options.group, undefined, async (ranks) => {
    const { engines, rounds, convolution, innerSteps, batch } = options;
    const same = { case: name, engines, rounds, convolution, innerSteps, batch };
    const facts = Object.entries(same).map(
      ([key, value]): Fact => ({ what: named(key, flagOf(key)), value, code: 'INVALID_OPTION' }),
    );
    await ranks.agree(
      async () => {},
      () => facts,
    );
    return measure(name, options, ranks);
  });
}

async function measure(name: BenchCaseName, options: BenchOptions, ranks: Ranks) {
  const { engines, rounds, threads = ranks.threads, convolution, batch = benchCases[name].batch } = options;
  const innerSteps = isBilevel(name) ? options.innerSteps : undefined;
  const place = benchDevice(ranks.device(options.device).device);
  requireComputable({ convolution }, place.device, ranks.size);
  const settings = { device: place.device, threads, convolution, innerSteps: options.innerSteps, batch };
  const machine = place.gpu ? undefined : await addon().measureMachine(threads);
  const gflop = iterationGflop(benchJob(name, 'native', settings), innerSteps);
  const memoryBefore = addon().memory().now;
  const subjects = engines.map((engine) => new Subject(name, engine, settings, ranks));
  const timer = monitorEventLoopDelay({ resolution: timerPeriod });
  timer.enable();
  for (let round = place.gpu ? -iterationsBeforeGraph : 0; round <= rounds; round++) {
    for (const subject of subjects) {
      const seconds = await subject.iterate(round <= 0);
      options.onRound?.(round, subject.engine, seconds);
    }
  }
  timer.disable();
  const alone = ranks.size === 1;
  const decodedPerSecond = alone ? await measureDecoding(benchCases[name].size, batch) : undefined;
  const cases: EngineTiming[] = [];
  for (const subject of subjects) {
    const memory = alone
      ? await inOwnProcess('peak', { name, engine: subject.engine, settings })
      : { peakBytes: peakOfProcess(), iterationBytes: addon().memory().peak - memoryBefore };
    const timing = subject.timing(batch);
    const peakShare = place.gpu?.float32Gflops ? gflop / timing.seconds.min / place.gpu.float32Gflops : undefined;
    cases.push({ ...timing, ...memory, peakShare });
  }
  const fastest = (engine: EngineName) => cases.find((timing) => timing.engine === engine)?.seconds.min;
  const [native, autograd] = [fastest('native'), fastest('autograd')];
  return {
    case: name,
    ...place,
    ...{ batch, threads, convolution, rounds },
    /** Undefined for a method without virtual steps. */
    innerSteps,
    /** Number of processes that shared each batch; the figures are rank 0's. */
    ranks: alone ? undefined : ranks.size,
    /** The CPU's peak speed, measured before the iterations; undefined on a GPU. */
    machine,
    /** Products of an iteration, done directly. */
    iterationGflop: gflop,
    cases,
    /** autograd ÷ native, of the minimum times; undefined unless both ran. */
    ratio: native !== undefined && autograd !== undefined ? autograd / native : undefined,
    /** How late a 10 ms timer fired while iterations ran, 99th percentile, milliseconds. */
    timerDelayP99: Math.max(0, timer.percentile(99) / 1e6 - timerPeriod),
    /** Images decoded per second for training, on all cores; undefined for small images, which are decoded before training. */
    decodedPerSecond,
  };
}

/** Milliseconds between two firings of the timer that shows how free the event loop is. */
const timerPeriod = 10;

/** One engine on a case, with what was measured. */
class Subject {
  readonly #bench;
  readonly #asGraph: boolean;
  #phases: Readonly<Record<string, number>>[] = [];
  #graphs: GraphTiming[] = [];
  #traffic: Traffic = { calls: 0, bytes: 0 };

  constructor(
    name: BenchCaseName,
    readonly engine: EngineName,
    settings: BenchSettings,
    { native }: Ranks,
  ) {
    this.#bench = new (addon().Bench)({ ...benchJob(name, engine, settings), reducer: native });
    // The sums over ranks go through the host, which a graph cannot capture.
    this.#asGraph = native === undefined && runsAsGraph(engine, settings.device);
  }

  /** An iteration, and where training would run it as a graph, one more. Returns the seconds of the first. */
  async iterate(warmUp: boolean): Promise<number> {
    const before = this.#bench.traffic();
    const phases = await this.#bench.iterate();
    if (!warmUp) this.#phases.push(phases);
    const after = this.#bench.traffic();
    this.#traffic = { calls: after.calls - before.calls, bytes: after.bytes - before.bytes };
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
      /** As training runs it: on a GPU, the native engine's iteration is one CUDA graph. */
      seconds,
      /** Where `seconds` are a graph's: of the same iteration without a graph. */
      eagerSeconds: graph && eager,
      /** What the graph holds: kernels, copies and fills. */
      launches: graph && (this.#graphs[0]?.launches ?? 0),
      /** Images trained on per second, in the fastest iteration. */
      imagesPerSecond: batch / seconds.min,
      /** Of several processes: what rank 0 sends to the others in an iteration. */
      traffic: this.#traffic.calls > 0 ? this.#traffic : undefined,
      /** Median seconds of each phase; without a graph. */
      phases: Object.fromEntries(Object.keys(this.#phases[0] ?? {}).map((phase) => [phase, medianOf(phase)])),
    };
  }
}

export const secondsOf = (all: readonly number[]): Seconds => ({ min: Math.min(...all), median: median(all) });
