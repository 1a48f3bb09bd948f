import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { L2TError } from '../errors.js';
import { estimateRun } from '../experiments/estimate.js';
import type { Source } from '../networks/sources.js';
import type { MethodName } from '../options/methods.js';
import { defaultBatch, largeSize } from '../options/networks.js';
import type { SourceSpec } from '../options/spec.js';
import { throwIfAborted } from '../system/abort.js';
import { largest, median, smallest } from '../system/statistics.js';
import { type Candidate, nameOf } from './candidates.js';
import type { TrainContext } from './decisions.js';
import type { Work } from './schedule.js';

/** The compiled file, since a child has no loader of TypeScript. */
const script = fileURLToPath(new URL('../../dist/train/time-child.js', import.meta.url));
const processes = 3;

/**
 * Returns the milliseconds for one image on one CPU thread: the median of three fresh processes. If they differ, what
 * disturbs them only adds to their times, so the least counts.
 * @throws L2TError INTERNAL if a process fails; ABORTED.
 */
export async function msOf(
  candidate: Candidate,
  classes: number,
  { signal, warn, note }: TrainContext,
): Promise<number> {
  const { network: name, width, size } = candidate;
  const job = JSON.stringify({ network: { name, width, classes }, size });
  const times: number[] = [];
  note(`timing ${nameOf(candidate)}`);
  for (let k = 0; k < processes; k++) {
    throwIfAborted('The timing', signal);
    const child = spawn(process.execPath, [script, job], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    // Ctrl-C ends the child, too.
    throwIfAborted('The timing', signal);
    if (code !== 0) throw new L2TError('INTERNAL', `A process that timed ${nameOf(candidate)} failed.`);
    times.push(Number(output));
  }
  if (largest(times) <= 1.2 * smallest(times)) return median(times);
  const list = times.map((ms) => ms.toFixed(2)).join(', ');
  warn(`the machine is busy: three timings of ${nameOf(candidate)} differ, ${list} ms an image; the least counts`);
  return smallest(times);
}

/** Maximum number of large images in a timed step: the time of a step grows with its images. */
const timedBatch = 16;

/** The network from which a candidate learns. */
export interface Teacher extends Pick<Source, 'onnx'> {
  readonly network: SourceSpec['network'];
  readonly width: number;
  readonly size: number;
  /** Number of classes of an ONNX file; other teachers have those of the data. */
  readonly classes?: number;
}

/** Times a few training steps of a candidate, with a teacher for the methods that have one. */
export async function workOf(
  { network: target, width, size }: Candidate,
  method: MethodName,
  teacher: Teacher | undefined,
  { classes, images, threads, device }: { classes: number; images: number; threads: number; device: string },
  signal: AbortSignal | undefined,
): Promise<Work> {
  const batch = Math.min(defaultBatch(size, images), images);
  const timed = size >= largeSize ? Math.min(batch, timedBatch) : batch;
  const sources = teacher
    ? [{ network: teacher.network, classes: teacher.classes ?? classes, ...(teacher.onnx && { onnx: teacher.onnx }) }]
    : [];
  const source = teacher && {
    sourceNetwork: teacher.network,
    sourceWidth: teacher.width,
    sourceSize: teacher.size,
  };
  const options = { target, width, size, batch: timed, method, device, threads, ...source };
  const { msPerStep, maxMsPerStep } = await estimateRun(method, options, { classes, images, sources }, signal);
  return { seconds: ((msPerStep + maxMsPerStep) / 2000) * (batch / timed), batch, size };
}
