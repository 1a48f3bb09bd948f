/** Run by bench as a process of its own: `peak.js CASE ENGINE THREADS` prints the peak resident memory in bytes. */
import { readFileSync } from 'node:fs';
import { addon, type EngineName } from '../addon.js';
import { type BenchCaseName, benchJob } from './cases.js';

const [name, engine, threads] = process.argv.slice(2) as [BenchCaseName, EngineName, string];
const subject = new (addon().Bench)(benchJob(name, engine, Number(threads)));
for (let round = 0; round < 2; round++) await subject.iterate();
const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
process.stdout.write(String(Number(kilobytes) * 1024));
