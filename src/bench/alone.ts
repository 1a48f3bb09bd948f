/**
 * `inOwnProcess` runs this: `alone.js NAME JOB` measures, in this process of its own, and prints the result as JSON. Memory
 * is in bytes.
 */
import { hash } from 'node:crypto';
import { fingerprint, loadData } from '../data/load.js';
import { divide } from '../data/split.js';
import { formatSplit } from '../data/split-file.js';
import { addon, type EngineName, type GpuMemory, type GroupConfig, type Traffic } from '../native/addon.js';
import { peakOfProcess } from '../system/limits.js';
import {
  type BenchCaseName,
  type BenchSettings,
  benchJob,
  iterationsBeforeGraph,
  runsAsGraph,
  secondsIn,
} from './cases.js';

const measurements = { peak, rank, listing };
export type Measurements = typeof measurements;

/** Of a process that runs one engine alone. */
export interface PeakMemory {
  /** VmHWM of the process, weights, images and Node included. */
  readonly peakBytes: number;
  /** Peak memory of an iteration's tensors, without weights and images; on a GPU, of those there. */
  readonly iterationBytes: number;
  /** On a GPU: the most that the process held there, weights and images included. */
  readonly gpuMemory?: GpuMemory | undefined;
}

interface PeakJob {
  readonly name: BenchCaseName;
  readonly engine: EngineName;
  readonly settings: BenchSettings;
}

async function peak({ name, engine, settings }: PeakJob): Promise<PeakMemory> {
  const { Bench, memory, cudaMemory } = addon();
  const subject = new Bench(benchJob(name, engine, settings));
  const gpu = () => (settings.device === 'cpu' ? undefined : cudaMemory(settings.device));
  const before = gpu()?.allocated ?? memory().now;
  if (runsAsGraph(engine, settings.device)) {
    for (let round = 0; round <= iterationsBeforeGraph; round++) await subject.iterateAsGraph();
  } else {
    for (let round = 0; round < 2; round++) await subject.iterate();
  }
  const after = gpu();
  return {
    peakBytes: peakOfProcess(),
    iterationBytes: (after?.peakAllocated ?? memory().peak) - before,
    gpuMemory: after && { allocated: after.peakAllocated, reserved: after.peakReserved },
  };
}

/** What one rank measured: what it sent in an iteration, and the seconds of the fastest one. */
export interface RankTiming extends Traffic {
  readonly seconds: number;
}

export interface RankJob {
  readonly name: BenchCaseName;
  readonly settings: BenchSettings;
  readonly rounds: number;
  /** Absent of a process alone. */
  readonly config?: GroupConfig;
}

/** Times iterations of the native engine, alone or with other ranks. */
async function rank({ name, settings, rounds, config }: RankJob): Promise<RankTiming> {
  const { Bench, Group } = addon();
  const group = config && new Group(config);
  await group?.join();
  const subject = new Bench({ ...benchJob(name, 'native', settings), reducer: group });
  await subject.iterate(); // warms up
  let seconds = Number.POSITIVE_INFINITY;
  const before = subject.traffic();
  for (let round = 0; round < rounds; round++) seconds = Math.min(seconds, secondsIn(await subject.iterate()));
  const after = subject.traffic();
  group?.leave();
  return { seconds, calls: (after.calls - before.calls) / rounds, bytes: (after.bytes - before.bytes) / rounds };
}

/** Lists a data set as a run does: the seconds of each part, and the process's peak memory, before and after. */
async function listing(data: string) {
  const beforeBytes = peakOfProcess();
  const times = [performance.now()];
  const dataset = await loadData({ data, drawTest: true });
  times.push(performance.now());
  await fingerprint(dataset);
  times.push(performance.now());
  const { division } = divide(dataset, { data, validation: 0.1, seed: 0 });
  hash('sha256', formatSplit(division));
  times.push(performance.now());
  const [list = 0, hashed = 0, split = 0] = times.slice(1).map((time, k) => (time - (times[k] as number)) / 1000);
  /** `fingerprint`: every file's size is read. `split`: dividing, and writing the division. */
  return { seconds: { list, fingerprint: hashed, split }, peakBytes: peakOfProcess(), beforeBytes };
}

const [name, job] = process.argv.slice(2) as [keyof Measurements, string];
process.stdout.write(JSON.stringify(await (measurements[name] as (job: unknown) => unknown)(JSON.parse(job))));
