import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Fact } from '../group/facts.js';
import { type Group, inGroup } from '../group/group.js';
import type { GroupOptions } from '../group/options.js';
import {
  addon,
  type EngineName,
  type GpuMemory,
  type GraphTiming,
  type MachineSpeed,
  type Traffic,
} from '../native/addon.js';
import { flagOf, named } from '../options/spelling.js';
import { readSystem } from '../system/limits.js';
import { median } from '../system/statistics.js';
import { type BenchCaseName, type BenchSettings, benchCases, benchJob, isBilevel } from './cases.js';
import { measureDecoding } from './decoding.js';
import { type BenchDevice, benchDevice } from './device.js';
import { iterationGflop } from './flops.js';
import { iterationsBeforeGraph, runsAsGraph } from './graph.js';

/** Seconds of one iteration. */
export interface Seconds {
  readonly min: number;
  readonly median: number;
}

/** The peak memory of a process that runs one engine alone. */
export interface PeakMemory {
  /** VmHWM of the process, weights, images and Node included. */
  readonly peakBytes: number;
  /** Peak memory of an iteration's tensors, without weights and images. */
  readonly iterationBytes: number;
  /** On a GPU: the most that the process held there, weights and images included. */
  readonly gpuMemory?: GpuMemory;
}

/** One engine's figures on one case. */
export interface EngineTiming extends PeakMemory {
  readonly engine: EngineName;
  /** As training runs it: on a GPU, the native engine's iteration is one CUDA graph. */
  readonly seconds: Seconds;
  /** Of several processes: what rank 0 sends to the others in an iteration. */
  readonly traffic?: Traffic;
  /** Where `seconds` are a graph's: of the same iteration without a graph. */
  readonly eagerSeconds?: Seconds;
  /** What the graph holds: kernels, copies and fills. */
  readonly launches?: number;
  /** Images trained on per second, in the fastest iteration. */
  readonly imagesPerSecond: number;
  /** On a GPU: the share of its float32 peak that `iterationGflop` in the fastest iteration is. */
  readonly peakShare?: number;
  /** Median seconds of each phase; without a graph. */
  readonly phases: Readonly<Record<string, number>>;
}

export interface BenchResult extends Omit<BenchSettings, 'device' | 'batch' | 'innerSteps'>, BenchDevice {
  readonly case: BenchCaseName;
  /** Absent of a method without virtual steps. */
  readonly innerSteps?: number;
  readonly batch: number;
  /** Number of processes that shared each batch; the figures are rank 0's. Absent: 1. */
  readonly ranks?: number;
  readonly rounds: number;
  readonly cases: readonly EngineTiming[];
  /** autograd ÷ native, of the minimum times; absent unless both ran. */
  readonly ratio?: number;
  /** Products of an iteration, done directly. */
  readonly iterationGflop: number;
  /**
   * Images decoded per second for training, on all cores; absent for small images, which are decoded before training.
   */
  readonly decodedPerSecond?: number;
  /** The CPU's peak speed, measured before the iterations; absent on a GPU. */
  readonly machine?: MachineSpeed;
  /** How late a 10 ms timer fired while iterations ran, 99th percentile, milliseconds. */
  readonly timerDelayP99: number;
}

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
  return inGroup(options.group, undefined, async (group) => {
    const { engines, rounds, convolution, innerSteps, batch } = options;
    const same = { case: name, engines, rounds, convolution, innerSteps, batch };
    const facts = Object.entries(same).map(
      ([key, value]): Fact => ({ what: named(key, flagOf(key)), value, code: 'INVALID_OPTION' }),
    );
    await group.agree(
      async () => {},
      () => facts,
    );
    return measure(name, options, group);
  });
}

async function measure(name: BenchCaseName, options: BenchOptions, group: Group): Promise<BenchResult> {
  const { engines, rounds, threads = group.threads, convolution, innerSteps } = options;
  const place = benchDevice(group.device(options.device).device);
  const { size } = benchCases[name];
  const batch = options.batch ?? benchCases[name].batch;
  const settings = { device: place.device, threads, convolution, innerSteps, batch };
  const machine = place.gpu ? undefined : await addon().measureMachine(threads);
  const gflop = iterationGflop(benchJob(name, 'native', settings), isBilevel(name) ? innerSteps : undefined);
  const memoryBefore = addon().memory().now;
  const subjects = engines.map((engine) => new Subject(name, engine, settings, group));
  const timer = watchTimer();
  await takeTurns(subjects, place.gpu ? iterationsBeforeGraph + 1 : 1, options);
  const timerDelayP99 = timer.stop();
  const alone = group.size === 1;
  const decodedPerSecond = alone ? await measureDecoding(size, batch) : undefined;
  const cases: EngineTiming[] = [];
  for (const subject of subjects) {
    const memory = alone ? await peak(name, subject.engine, settings) : peakSoFar(memoryBefore);
    const timing = { ...subject.timing(batch), ...memory };
    const share = place.gpu?.float32Gflops ? gflop / timing.seconds.min / place.gpu.float32Gflops : undefined;
    cases.push({ ...timing, ...(share !== undefined && { peakShare: share }) });
  }
  const fastest = (engine: EngineName) => cases.find((timing) => timing.engine === engine)?.seconds.min;
  const [native, autograd] = [fastest('native'), fastest('autograd')];
  return {
    case: name,
    ...place,
    ...{ batch, threads, convolution, rounds },
    ...(isBilevel(name) && { innerSteps }),
    ...(!alone && { ranks: group.size }),
    ...(machine && { machine }),
    iterationGflop: gflop,
    cases,
    ...(native !== undefined && autograd !== undefined && { ratio: autograd / native }),
    timerDelayP99,
    ...(decodedPerSecond !== undefined && { decodedPerSecond }),
  };
}

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
    private readonly group: Group,
  ) {
    const { native } = group;
    this.#bench = new (addon().Bench)({ ...benchJob(name, engine, settings), ...(native && { group: native }) });
    // A group's sums go through the host, which a graph cannot capture.
    this.#asGraph = native === undefined && runsAsGraph(engine, settings.device);
  }

  /** An iteration, and where training would run it as a graph, one more. Returns the seconds of the first. */
  async iterate(warmUp: boolean): Promise<number> {
    const before = this.#sent();
    const phases = await this.#bench.iterate();
    if (!warmUp) this.#phases.push(phases);
    const after = this.#sent();
    this.#traffic = { calls: after.calls - before.calls, bytes: after.bytes - before.bytes };
    const graph = this.#asGraph ? await this.#bench.iterateAsGraph() : undefined;
    if (graph && !warmUp) this.#graphs.push(graph);
    return total(phases);
  }

  /** What this rank has sent so far. */
  #sent(): Traffic {
    return this.group.native ? this.#bench.traffic() : { calls: 0, bytes: 0 };
  }

  timing(batch: number): Omit<EngineTiming, keyof PeakMemory> {
    const eager = secondsOf(this.#phases.map(total));
    const graph = this.#asGraph ? secondsOf(this.#graphs.map(({ seconds }) => seconds)) : undefined;
    const seconds = graph ?? eager;
    const medianOf = (phase: string) => median(this.#phases.map((measured) => measured[phase] ?? 0));
    return {
      engine: this.engine,
      seconds,
      ...(graph && { eagerSeconds: eager, launches: this.#graphs[0]?.launches ?? 0 }),
      imagesPerSecond: batch / seconds.min,
      ...(this.#traffic.calls > 0 && { traffic: this.#traffic }),
      phases: Object.fromEntries(Object.keys(this.#phases[0] ?? {}).map((phase) => [phase, medianOf(phase)])),
    };
  }
}

export const secondsOf = (all: readonly number[]): Seconds => ({ min: Math.min(...all), median: median(all) });

const total = (phases: Readonly<Record<string, number>>): number =>
  Object.values(phases).reduce((sum, seconds) => sum + seconds, 0);

async function takeTurns(subjects: readonly Subject[], warmUps: number, { rounds, onRound }: BenchOptions) {
  for (let round = 1 - warmUps; round <= rounds; round++) {
    for (const subject of subjects) {
      const seconds = await subject.iterate(round <= 0);
      onRound?.(round, subject.engine, seconds);
    }
  }
}

async function peak(name: BenchCaseName, engine: EngineName, settings: BenchSettings): Promise<PeakMemory> {
  // The compiled file, or the source under a TypeScript loader, whose flags the child takes over.
  const script = fileURLToPath(new URL(`./peak${extname(import.meta.url)}`, import.meta.url));
  const words = [...process.execArgv, script, name, engine, JSON.stringify(settings)];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as PeakMemory;
}

/** Of this process. `before`: bytes in tensors before the engines were made. */
function peakSoFar(before: number): PeakMemory {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readSystem('/proc/self/status'))?.[1];
  return { peakBytes: Number(kilobytes) * 1024, iterationBytes: addon().memory().peak - before };
}

function watchTimer(): { stop(): number } {
  const period = 10;
  const delays: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(Math.max(0, now - last - period));
    last = now;
  }, period);
  return {
    stop() {
      clearInterval(timer);
      delays.sort((a, b) => a - b);
      return delays[Math.floor(delays.length * 0.99)] ?? 0;
    },
  };
}
