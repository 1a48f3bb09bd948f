import { availableCores } from '../system/threads.js';
import { defaultSize } from './networks.js';

/**
 * The quantities that decide a run's cores and memory: threads, images a step, image side in pixels, the target's width
 * and number of parameters, T.
 */
export interface RunNeeds {
  readonly threads: number;
  readonly batch: number;
  readonly size: number;
  readonly width: number;
  readonly parameters: number;
  readonly innerSteps?: number | undefined;
}

/**
 * Estimated memory of a run, bytes: 1 GiB for images and weights, 10 KiB a pixel of the batch for an iteration of
 * L2T-ww at 32×32 with T = 2, and 2 KiB more for each further virtual step (bench/README.md). At 224×224, and for the
 * other methods, an iteration takes less than half of that. To this come 2 T + 10 vectors of θ's length, in float32: θ,
 * momentum and gradient of the real step and of each virtual one, the adjoint's, and the result so far.
 */
export const memoryOfRun = ({ batch, size, width, parameters, innerSteps = 2 }: RunNeeds): number =>
  2 ** 30 +
  batch * size ** 2 * Math.max(1, width) * (10 + 2 * (innerSteps - 2)) * 2 ** 10 +
  4 * parameters * (2 * innerSteps + 10);

/** Minimum factor between the side of images and the network's default for a warning. */
const unusuallyLarge = 4;

const gigabytes = (bytes: number): string => `${Math.round(bytes / 1e9).toLocaleString('en')} GB`;

/** A warning (or none) if there are more threads than cores, which is allowed but slow. */
export function threadsWarning(threads: number | undefined, device: string, cores = availableCores()): string[] {
  if (threads === undefined || threads <= cores || device !== 'cpu') return [];
  const carried = cores === 1 ? 'one core' : `${cores} cores`;
  return [
    `${threads} threads share ${carried} and wait for each other, which takes several times as long (16 on 2 cores: six times): use {threads=${cores}}, or leave it out`,
  ];
}

/** A warning (or none) if images are much larger than the network is meant for: it says what they cost. */
export function sizeWarning(
  { target, ...needs }: RunNeeds & { readonly target: string },
  free = process.availableMemory(),
): string[] {
  const { size, batch } = needs;
  const usual = defaultSize(target);
  if (size < unusuallyLarge * usual) return [];
  const times = Math.round((size / usual) ** 2).toLocaleString('en');
  const memory = `a step on ${batch} of them may take up to ${gigabytes(memoryOfRun(needs))} of memory, of which ${gigabytes(free)} are free`;
  return [
    `an image of ${size} pixels is ${times} times the work of one of ${usual}, which ${target} is meant for, and ${memory}: use a smaller {size}, or a smaller {batch} where memory is short`,
  ];
}
