import { availableCores } from '../system/threads.js';
import { defaultSize } from './networks.js';

/** What a run is known by before it begins: threads, images a step, their side in pixels, the target's width, T. */
export interface RunNeeds {
  readonly threads: number;
  readonly batch: number;
  readonly size: number;
  readonly width: number;
  readonly innerSteps: number;
}

/**
 * Bytes of memory that a run is counted with: 10 KiB a pixel of the batch, which an iteration of L2T-ww takes at 32×32 with
 * T = 2, 2 more for each further step (bench/README.md; less than half of it at 224×224 or by the other methods), and 1 GiB
 * for images and weights.
 */
export const memoryOfRun = ({ batch, size, width, innerSteps }: RunNeeds): number =>
  2 ** 30 + batch * size ** 2 * Math.max(1, width) * (10 + 2 * (innerSteps - 2)) * 2 ** 10;

/** How many times as wide and high images may be as the network's own, without a word. */
const unusuallyLarge = 4;

const gigabytes = (bytes: number): string => `${Math.round(bytes / 1e9).toLocaleString('en')} GB`;

/** More threads than cores are allowed, but slow: a sentence that says so, or none. */
export function threadsWarning(threads: number | undefined, device: string, cores = availableCores()): string[] {
  if (threads === undefined || threads <= cores || device !== 'cpu') return [];
  const carried = cores === 1 ? 'one core' : `${cores} cores`;
  return [
    `${threads} threads share ${carried} and wait for each other, which takes several times as long (16 on 2 cores: six times): use --threads ${cores}, or leave it out`,
  ];
}

/** Much larger images than the network is meant for are allowed: a sentence that says what they cost, or none. */
export function sizeWarning(
  { target, ...needs }: RunNeeds & { readonly target: string },
  free = process.availableMemory(),
): string[] {
  const { size, batch } = needs;
  const own = defaultSize(target);
  if (size < unusuallyLarge * own) return [];
  const times = Math.round((size / own) ** 2).toLocaleString('en');
  const memory = `a step on ${batch} of them may take up to ${gigabytes(memoryOfRun(needs))} of memory, of which ${gigabytes(free)} are free`;
  return [
    `an image of ${size} pixels is ${times} times the work of one of ${own}, which ${target} is meant for, and ${memory}: use a smaller --size, or a smaller --batch where memory is short`,
  ];
}
