import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';
import { addon, type EngineName, type GpuMemory } from '../native/addon.js';
import { peakOfProcess } from '../system/limits.js';
import { type BenchCaseName, type BenchSettings, benchJob, iterationsBeforeGraph, runsAsGraph } from './cases.js';

/** The memory of a process that runs one engine alone, bytes. */
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

const script = fileURLToPath(import.meta.url);

/**
 * Measures the memory of an engine in a process of its own, which runs this file.
 * @throws L2TError INTERNAL if the process fails.
 */
export async function peakMemory(job: PeakJob): Promise<PeakMemory> {
  // execArgv has the loader where this is TypeScript.
  const args = [...process.execArgv, script, JSON.stringify(job)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) throw new L2TError('INTERNAL', 'A process of the measurement failed; its message is above.');
  return JSON.parse(output);
}

async function peakOfJob({ name, engine, settings }: PeakJob): Promise<PeakMemory> {
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

if (process.argv[1] === script)
  process.stdout.write(JSON.stringify(await peakOfJob(JSON.parse(process.argv[2] ?? ''))));
