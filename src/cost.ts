import { defaultSize } from './networks.js';
import { memoryOfRun } from './side-by-side.js';
import { availableCores } from './threads.js';

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
  { target, ...needs }: Parameters<typeof memoryOfRun>[0] & { readonly target: string },
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
