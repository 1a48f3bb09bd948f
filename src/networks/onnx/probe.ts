import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, L2TError } from '../../errors.js';
import { invalidWeights } from '../../system/failures.js';
import { memoryOf } from '../../system/limits.js';
import type { GraphFacts } from './graph.js';

/** The request to the child process. */
export interface ProbeJob {
  readonly path: string;
  /** Sides of images to try in this order, pixels, where the file leaves it free. */
  readonly sides: readonly number[];
  /** Tensors to run besides those that every path passes. Names of others are passed over. */
  readonly maps: readonly string[];
}

/** A tensor of the run on one image. */
export interface Probed {
  readonly name: string;
  readonly dims: readonly number[];
  readonly type: string;
  /** How many tensors are before it on the paths to the output; undefined if a path passes by. */
  readonly depth?: number | undefined;
}

/** What a model's graph says, and what its run on one image showed. */
export interface Probe extends Omit<GraphFacts, 'side' | 'passed' | 'fromImages'> {
  /** Version of ONNX Runtime. */
  readonly runtime: string;
  /** Side of the image, pixels. */
  readonly side: number;
  readonly tensors: readonly Probed[];
}

/** The compiled file, since a child has no loader of TypeScript. */
const script = fileURLToPath(new URL('../../../dist/networks/onnx/probe-child.js', import.meta.url));

/** Memory that a model may take besides four times its file, bytes, and its time, ms. */
const spareMemory = 4 * 2 ** 30;
const maxTime = 60_000;
/** How often the child's memory is looked at, ms. */
const interval = 50;

/**
 * Reads a model and runs it on one image, in a process of its own: a hostile file may take all memory, never end, or
 * crash what reads it. `bytes`: the file's size.
 * @throws L2TError INVALID_WEIGHTS, also for these; INVALID_OPTION, FILE_ACCESS.
 */
export async function probe(job: ProbeJob, bytes: number, limits = { spareMemory, maxTime }): Promise<Probe> {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
  let reason: string | undefined;
  const end = (why: string): void => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  const allowed = limits.spareMemory + 4 * bytes;
  const timer = setTimeout(() => end(`took more than ${limits.maxTime / 1000} s`), limits.maxTime);
  const watch = setInterval(() => {
    if (child.pid !== undefined && memoryOf(child.pid) > allowed) {
      end(`took more than ${(allowed / 2 ** 30).toFixed(1)} GiB of memory`);
    }
  }, interval);
  try {
    // A child that was ended reads no more.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(job));
    const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'close')]);
    if (code !== 0) {
      reason ??= `ended the process by ${signal ?? `status ${code}`}`;
      throw invalidWeights(`${job.path} was read and run on one image, which ${reason}: it is not used.`);
    }
    const answer: { probe?: Probe; error?: { code: ErrorCode; message: string } } = JSON.parse(output);
    if (answer.error) throw new L2TError(answer.error.code, answer.error.message);
    return answer.probe as Probe;
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
  }
}
