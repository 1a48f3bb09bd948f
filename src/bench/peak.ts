/**
 * `bench` runs this in a process of its own: `peak.js CASE ENGINE SETTINGS` prints, as JSON, the process's peak
 * resident memory and the peak memory of an iteration's tensors, in bytes. On a GPU these are the GPU's tensors, and it
 * prints, too, the most that the process held there.
 */
import { addon, type EngineName } from '../native/addon.js';
import type { PeakMemory } from './bench.js';
import { type BenchCaseName, type BenchSettings, benchJob, iterationsBeforeGraph, runsAsGraph } from './cases.js';
import { peakOfProcess } from './process.js';

const [name, engine, text] = process.argv.slice(2) as [BenchCaseName, EngineName, string];
const settings = JSON.parse(text) as BenchSettings;
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
const peak: PeakMemory = {
  peakBytes: peakOfProcess(),
  iterationBytes: (after?.peakAllocated ?? memory().peak) - before,
  gpuMemory: after && { allocated: after.peakAllocated, reserved: after.peakReserved },
};
process.stdout.write(JSON.stringify(peak));
