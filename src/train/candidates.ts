import * as z from 'zod';
import { L2TError } from '../errors.js';
import { elementCount } from '../native/tensor.js';
import { describeNetwork, forwardFlops } from '../networks/describe.js';
import { type NetworkName, networkNames } from '../options/networks.js';
import { invalidOption } from '../system/failures.js';
import { smallest } from '../system/statistics.js';

export const candidateSchema = z.object({
  /** The network's name. */
  network: z.enum(networkNames),
  /** The factor of its numbers of channels. */
  width: z.number(),
  /** Side of its images, pixels. */
  size: z.int(),
  /** Operations for one image (`forwardFlops`). */
  flops: z.number(),
  /** The number of its layers and other steps. */
  layers: z.int(),
  /** The number of its parameters. */
  parameters: z.int(),
  /** Megabytes of its weights and running statistics in float32. */
  mb: z.number(),
  /** Milliseconds for one image on one CPU thread, decoding not counted; absent where it was not timed. */
  ms: z.number().optional(),
});

/** A network with its costs. */
export type Candidate = Readonly<z.output<typeof candidateSchema>>;

/** Limits on the result's cost; absent: no limit. */
interface Budget {
  readonly maxMs?: number | undefined;
  readonly maxParams?: number | undefined;
  readonly maxMb?: number | undefined;
}

const widths = [0.25, 0.5, 1];
const sizes = [32, 64, 128, 224];
/** Variants with the costs of resnet20 and resnet32: a race between them and those would only take time. */
const variants: readonly NetworkName[] = ['resnet20_a', 'resnet32_a'];
/** Maximum numbers of candidates of a race, and of those that are timed to find them. */
const maxCandidates = 8;
const maxTimed = 16;

/** @throws L2TError INVALID_OPTION if the images are too small for the network. */
export function candidateOf(network: NetworkName, width: number, size: number, classes: number): Candidate {
  const description = describeNetwork({ name: network, classes, width }, size);
  const { parameters, buffers, operations } = description;
  const count = (shapes: typeof parameters) => shapes.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const trained = count(parameters);
  const mb = (4 * (trained + count(buffers))) / 1e6;
  return { network, width, size, flops: forwardFlops(description), layers: operations.length, parameters: trained, mb };
}

export const nameOf = ({ network, width, size }: Pick<Candidate, 'network' | 'width' | 'size'>): string =>
  `${network} of width ${width} at ${size} pixels`;

/** A width and a size that every candidate has; absent: any. */
type Shape = { readonly [key in 'width' | 'size']?: number | undefined };

/** Returns the networks with fewer operations than `largest`, on images up to its size; most operations first. */
function candidatesBelow(largest: Candidate, classes: number, { width: only, size: side }: Shape): Candidate[] {
  const fitting = side === undefined ? sizes.filter((size) => size <= largest.size) : [side];
  const tried = only === undefined ? widths : [only];
  return networkNames
    .filter((name) => !variants.includes(name))
    .flatMap((name) => tried.flatMap((width) => fitting.map((size) => [name, width, size] as const)))
    .flatMap(([name, width, size]) => {
      try {
        return [candidateOf(name, width, size, classes)];
      } catch (error) {
        // The images are too small for this network.
        if (error instanceof L2TError && error.code === 'INVALID_OPTION') return [];
        throw error;
      }
    })
    .filter(({ flops }) => flops < largest.flops)
    .sort((a, b) => b.flops - a.flops);
}

/** Checks whether a candidate fits, as far as its costs are known. */
export const fits = ({ parameters, mb, ms = 0 }: Candidate, { maxParams, maxMb, maxMs }: Budget): boolean =>
  parameters <= (maxParams ?? parameters) && mb <= (maxMb ?? mb) && ms <= (maxMs ?? ms);

/**
 * Returns the candidates that fit and are `trainable`, most operations first, at most eight; if none is trainable, the
 * fitting one with the fewest. With `maxMs`, `time` times them, unless an estimate from the operations is far above it.
 * @throws L2TError INVALID_OPTION if none fits; it names the smallest, the lightest and, with `maxMs`, the fastest.
 */
export async function fittingCandidates(
  source: Candidate,
  budget: Budget,
  classes: number,
  time: (candidate: Candidate) => Promise<number>,
  { trainable = () => true, ...shape }: Shape & { readonly trainable?: (candidate: Candidate) => boolean } = {},
): Promise<Candidate[]> {
  const all = candidatesBelow(source, classes, shape);
  if (all.length === 0)
    throw invalidOption(`No network is smaller than ${nameOf(source)}: allow more than that takes.`);
  const { maxMs } = budget;
  const fitting = all.filter((candidate) => fits(candidate, budget));
  const quick = fitting.filter(trainable);
  const small = quick.length > 0 ? quick : fitting.slice(-1);
  if (maxMs === undefined) {
    if (small.length > 0) return small.slice(0, maxCandidates);
    throw noneFits(leastOf(all), budget);
  }
  const timed = new Map<Candidate, number>();
  const timing = async (candidate: Candidate): Promise<Candidate> => {
    const ms = timed.get(candidate) ?? (await time(candidate));
    timed.set(candidate, ms);
    return { ...candidate, ms };
  };
  const fewest = await timing(all.at(-1) as Candidate);
  const estimate = estimateBy(source, fewest);
  const chosen: Candidate[] = [];
  for (const candidate of small) {
    if (chosen.length === maxCandidates || timed.size >= maxTimed) break;
    if (estimate(candidate) > 1.3 * maxMs) continue;
    const known = await timing(candidate);
    if (fits(known, budget)) chosen.push(known);
  }
  if (chosen.length > 0) return chosen;
  const quickest = all.toSorted((a, b) => estimate(a) - estimate(b)).slice(0, 3);
  const measured = [fewest];
  for (const candidate of quickest) measured.push(await timing(candidate));
  const fast = leastBy('ms', measured);
  throw noneFits([`the fastest is ${nameOf(fast)} with ${fast.ms?.toFixed(2)} ms an image`, ...leastOf(all)], budget);
}

function leastBy(key: 'parameters' | 'mb' | 'ms', candidates: readonly Candidate[]): Candidate {
  const least = smallest(candidates.map((each) => each[key] as number));
  return candidates.find((each) => each[key] === least) as Candidate;
}

/** The networks with the fewest parameters and megabytes, in words. */
function leastOf(candidates: readonly Candidate[]): string[] {
  const [few, light] = [leastBy('parameters', candidates), leastBy('mb', candidates)];
  return [
    `the smallest is ${nameOf(few)} with ${few.parameters.toLocaleString('en')} parameters`,
    `the lightest is ${nameOf(light)} with ${light.mb.toFixed(2)} MB`,
  ];
}

const noneFits = (least: readonly string[], budget: Budget): L2TError =>
  invalidOption(`No network fits the budget; ${least.join(', ')}: allow more with ${allowances(budget)}.`);

const allowances = (budget: Budget): string =>
  (['maxMs', 'maxParams', 'maxMb'] as const)
    .filter((key) => budget[key] !== undefined)
    .map((key) => `{${key}}`)
    .join(' or ');

/** Returns an estimate in milliseconds: a part by operations and a part by layers, through two timed networks. */
function estimateBy(a: Candidate, b: Candidate): (candidate: Candidate) => number {
  const [first, second] = [a.ms as number, b.ms as number];
  const determinant = a.flops * b.layers - b.flops * a.layers;
  const perFlop = Math.max(0, (first * b.layers - second * a.layers) / determinant);
  const perLayer = Math.max(0, (a.flops * second - b.flops * first) / determinant);
  const usable = Number.isFinite(perFlop) && Number.isFinite(perLayer);
  return ({ flops, layers }) => (usable ? perFlop * flops + perLayer * layers : (first * flops) / a.flops);
}
