/**
 * `bench` runs this in a process of its own: `peak.js CASE ENGINE SETTINGS` prints, as JSON, the process's peak
 * resident memory and the peak memory of an iteration's tensors, in bytes. On a GPU these are the GPU's tensors, and it
 * prints, too, the most that the process held there.
 */
import { readFileSync } from 'node:fs';
import { addon, type EngineName } from '../native/addon.js';
import type { PeakMemory } from './bench.js';
import { type BenchCaseName, type BenchSettings, benchJob } from './cases.js';
import { iterationsBeforeGraph, runsAsGraph } from './graph.js';

const [name, engine, text] = process.argv.slice(2) as [BenchCaseName, EngineName, string];
const settings = JSON.parse(text) as BenchSettings;
const { Bench, memory, cudaMemory } = addon();
const subject = new Bench(benchJob(name, engine, settings));

async function iterations(): Promise<void> {
  if (!runsAsGraph(engine, settings.device)) {
    for (let round = 0; round < 2; round++) await subject.iterate();
    return;
  }
  for (let round = 0; round <= iterationsBeforeGraph; round++) await subject.iterateAsGraph();
}

async function onCpu(): Promise<Omit<PeakMemory, 'peakBytes'>> {
  const before = memory().now;
  await iterations();
  return { iterationBytes: memory().peak - before };
}

async function onGpu(): Promise<Omit<PeakMemory, 'peakBytes'>> {
  const before = cudaMemory(settings.device).allocated;
  await iterations();
  const { peakAllocated, peakReserved } = cudaMemory(settings.device);
  const gpuMemory = { allocated: peakAllocated, reserved: peakReserved };
  return { iterationBytes: peakAllocated - before, gpuMemory };
}

const measured = settings.device === 'cpu' ? await onCpu() : await onGpu();
const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
const peak: PeakMemory = { peakBytes: Number(kilobytes) * 1024, ...measured };
process.stdout.write(JSON.stringify(peak));
