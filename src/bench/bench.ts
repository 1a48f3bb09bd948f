import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { addon, type EngineName, type MachineSpeed } from '../native/addon.js';
import { median } from '../system/statistics.js';
import { type BenchCaseName, type BenchSettings, benchCases, benchJob } from './cases.js';
import { measureDecoding } from './decoding.js';

/** One engine's figures on one case. */
export interface EngineTiming {
  readonly engine: EngineName;
  /** Seconds of one iteration. */
  readonly seconds: { readonly min: number; readonly median: number };
  /** Images trained on per second, in the fastest iteration. */
  readonly imagesPerSecond: number;
  /** VmHWM of a process that runs this engine alone, weights, images and Node included. */
  readonly peakBytes: number;
  /** Peak memory of an iteration's tensors, without weights and images. */
  readonly iterationBytes: number;
  /** Median seconds of each phase. */
  readonly phases: Readonly<Record<string, number>>;
}

export interface BenchResult extends BenchSettings {
  readonly case: BenchCaseName;
  readonly rounds: number;
  readonly cases: readonly EngineTiming[];
  /** autograd ÷ native, of the minimum times; absent unless both ran. */
  readonly ratio?: number;
  /**
   * Images decoded per second for training, on all cores; absent for small images, which are decoded before training.
   */
  readonly decodedPerSecond?: number;
  /** The machine's peak speed, measured before the iterations. */
  readonly machine: MachineSpeed;
  /** How late a 10 ms timer fired while iterations ran, 99th percentile, milliseconds. */
  readonly timerDelayP99: number;
}

export interface BenchOptions extends BenchSettings {
  readonly engines: readonly EngineName[];
  readonly rounds: number;
  readonly onRound?: (round: number, engine: EngineName, seconds: number) => void;
}

/**
 * Times engines on a case: one warm-up each, then `rounds` iterations, the engines taking turns, so that other load on
 * the machine affects both. Peak memory is measured afterwards, each engine in a process of its own.
 */
export async function bench(name: BenchCaseName, options: BenchOptions): Promise<BenchResult> {
  const { engines, rounds, threads, convolution, innerSteps } = options;
  const settings = { threads, convolution, innerSteps };
  const machine = await addon().measureMachine(threads);
  const runs = engines.map((engine) => ({
    engine,
    subject: new (addon().Bench)(benchJob(name, engine, settings)),
    phases: [] as Readonly<Record<string, number>>[],
  }));
  const timer = watchTimer();
  for (let round = 0; round <= rounds; round++) {
    for (const { engine, subject, phases } of runs) {
      const measured = await subject.iterate();
      options.onRound?.(round, engine, total(measured));
      if (round > 0) phases.push(measured);
    }
  }
  const timerDelayP99 = timer.stop();
  const { size, batch } = benchCases[name];
  const decodedPerSecond = await measureDecoding(size, batch);
  const cases: EngineTiming[] = [];
  for (const { engine, phases } of runs) {
    const seconds = phases.map(total);
    cases.push({
      engine,
      seconds: { min: Math.min(...seconds), median: median(seconds) },
      imagesPerSecond: batch / Math.min(...seconds),
      ...(await peak(name, engine, settings)),
      phases: Object.fromEntries(
        Object.keys(phases[0] ?? {}).map((phase) => [phase, median(phases.map((measured) => measured[phase] ?? 0))]),
      ),
    });
  }
  const fastest = (engine: EngineName) => cases.find((timing) => timing.engine === engine)?.seconds.min;
  const [native, autograd] = [fastest('native'), fastest('autograd')];
  const ratio = native !== undefined && autograd !== undefined ? { ratio: autograd / native } : {};
  return {
    case: name,
    ...settings,
    rounds,
    machine,
    cases,
    ...ratio,
    timerDelayP99,
    ...(decodedPerSecond !== undefined && { decodedPerSecond }),
  };
}

async function peak(
  name: BenchCaseName,
  engine: EngineName,
  settings: BenchSettings,
): Promise<Pick<EngineTiming, 'peakBytes' | 'iterationBytes'>> {
  // The compiled file, or the source under a TypeScript loader, whose flags the child takes over.
  const script = fileURLToPath(new URL(`./peak${extname(import.meta.url)}`, import.meta.url));
  const words = [...process.execArgv, script, name, engine, JSON.stringify(settings)];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return JSON.parse(stdout) as Pick<EngineTiming, 'peakBytes' | 'iterationBytes'>;
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

const total = (phases: Readonly<Record<string, number>>): number =>
  Object.values(phases).reduce((sum, seconds) => sum + seconds, 0);
