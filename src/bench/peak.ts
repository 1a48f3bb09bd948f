/**
 * `bench` runs this in a process of its own: `peak.js CASE ENGINE SETTINGS` prints, as JSON, the process's peak
 * resident memory and the peak memory of an iteration's tensors, in bytes.
 */
import { readFileSync } from 'node:fs';
import { addon, type EngineName } from '../native/addon.js';
import { type BenchCaseName, type BenchSettings, benchJob } from './cases.js';

const [name, engine, settings] = process.argv.slice(2) as [BenchCaseName, EngineName, string];
const { Bench, memory } = addon();
const subject = new Bench(benchJob(name, engine, JSON.parse(settings) as BenchSettings));
const before = memory().now;
for (let round = 0; round < 2; round++) await subject.iterate();
const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
process.stdout.write(JSON.stringify({ peakBytes: Number(kilobytes) * 1024, iterationBytes: memory().peak - before }));
