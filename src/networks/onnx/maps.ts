import type { Probe, Probed } from './probe.js';

/** One feature map that an ONNX file offers. */
export interface OnnxMap {
  /** The tensor's name. */
  readonly name: string;
  readonly channels: number;
  /** Its height and width; of tokens the root of their number. */
  readonly side: number;
  /** How its axes lie: B×C×H×W, B×H×W×C, or B×tokens×C. */
  readonly layout: 'nchw' | 'nhwc' | 'tokens';
  /** Tokens before those of the image, which are left out. */
  readonly skip: number;
}

/** Extra tokens that are found without being named: a class token and registers. */
const maxExtra = 16;
/** Sides that are taken by default, and where in the depth tokens are taken. */
const maxSides = 5;
const tokenDepths = [0.25, 0.5, 0.75, 1];

const floats = ['float32', 'float16', 'float64'];

/** The tensor as a feature map, or why it is none. `extra`: tokens that are no part of the image. */
export function mapOf(
  { name, dims, type }: Probed,
  { batch = 1, side, patch }: Probe,
  extra?: number,
): OnnxMap | string {
  const shape = dims.join('×') || 'no axes';
  if (!floats.includes(type)) return `is of ${type}, and a feature map is of floating-point numbers`;
  const [images, a = 0, b = 0, c = 0] = dims;
  if (images !== batch)
    return `has ${shape}, whose first axis does not count the ${batch} image${batch === 1 ? '' : 's'}`;
  if (dims.length === 4) {
    if (b === c) return { name, channels: a, side: b, layout: 'nchw', skip: 0 };
    if (a === b) return { name, channels: c, side: a, layout: 'nhwc', skip: 0 };
    return `has ${shape}, which is not square`;
  }
  if (dims.length !== 3) return `has ${shape}: a feature map has four axes, tokens have three`;
  const tokens = extra === undefined ? patch && Math.floor(side / patch) ** 2 : a - extra;
  if (!tokens)
    return `has ${shape}, and no convolution cuts the images into patches: give {sourceTokens}, the tokens besides those of the image`;
  const [skip, root] = [a - tokens, Math.sqrt(tokens)];
  if (skip >= 0 && (extra !== undefined || skip <= maxExtra) && Number.isInteger(root)) {
    return { name, channels: b, side: root, layout: 'tokens', skip };
  }
  return `has ${shape}, whose ${a} tokens are not a square of ${extra ?? `${tokens} patches and up to ${maxExtra}`} others: {sourceTokens} names the number of others`;
}

/** All feature maps through which every path passes, in order, with their depth. */
export function offeredMaps(probe: Probe, extra?: number): (OnnxMap & { readonly depth: number })[] {
  return probe.tensors.flatMap((tensor) => {
    const map = tensor.depth === undefined ? undefined : mapOf(tensor, probe, extra);
    return typeof map === 'object' ? [{ ...map, depth: tensor.depth as number }] : [];
  });
}

/**
 * The maps that are taken where none are named: of each side the last, of the last five sides of at least 2×2; of tokens
 * those nearest to 1/4, 1/2, 3/4 and the end of the depth. The depth of tokens begins where they have their last shape.
 */
export function defaultMaps<M extends OnnxMap & { readonly depth: number }>(offered: readonly M[]): M[] {
  const large = offered.filter(({ side }) => side >= 2);
  const bySide = [...new Map(large.map((map) => [map.side, map])).values()].sort((a, b) => a.depth - b.depth);
  return bySide.slice(-maxSides).flatMap((last) => (last.layout === 'tokens' ? tokensTo(last, large) : [last]));
}

function tokensTo<M extends OnnxMap & { readonly depth: number }>(last: M, maps: readonly M[]): M[] {
  const alike = maps.filter(
    ({ layout, channels, skip, side }) =>
      layout === 'tokens' && channels === last.channels && skip === last.skip && side === last.side,
  );
  const first = (alike[0] as M).depth;
  const distance = (map: M, part: number): number => Math.abs(map.depth - first - part * (last.depth - first));
  const nearest = (part: number): M =>
    alike.reduce((best, map) => (distance(map, part) < distance(best, part) ? map : best));
  return [...new Set(tokenDepths.map(nearest))];
}
