import sharp from 'sharp';
import type { PairMetrics } from '../../../native/addon.js';
import { featuresOf } from '../../features.js';

/** λ is the output of a ReLU6, so it lies in [0, 6]: all maps of all runs have this scale. */
const largest = 6;

/** Colours of λ = 0, 3 and 6, between which is interpolated; of pairs that are not matched; of the lines. */
const [low, middle, high, unmatched, line] = [
  [247, 251, 255],
  [66, 146, 198],
  [8, 48, 107],
  [150, 150, 150],
  [205, 205, 205],
] as const;

/** The side of a cell and the width of the lines around it, pixels. */
const [side, gap] = [40, 2];

/**
 * λ of one source's pairs as a PNG, with what its rows, columns and colours mean: source features down, target features
 * across. Undefined if the method learns no λ.
 */
export async function lambdaMap(pairs: readonly PairMetrics[]) {
  const lambda = new Map(pairs.map(({ pair, lambdaMean }) => [pair.join('-'), lambdaMean]));
  if ([...lambda.values()].every((value) => value === undefined)) return undefined;
  const [rows, columns] = [featuresOf(pairs, 0), featuresOf(pairs, 1)];
  const [width, height] = [gap + columns.length * (side + gap), gap + rows.length * (side + gap)];
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [m, n] = [rows[cellAt(y)], columns[cellAt(x)]];
      const colour = isLine(x) || isLine(y) ? line : colourOf(lambda.get(`${m}-${n}`));
      pixels.set(colour, (y * width + x) * 3);
    }
  }
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  const description = `Mean λ. Rows: source features ${rows.join(', ')}, downwards. Columns: target features ${columns.join(', ')}. White is 0, dark blue 6; grey: not matched.`;
  return { png, width, height, description };
}

const isLine = (at: number): boolean => at % (side + gap) < gap;
const cellAt = (at: number): number => Math.floor(at / (side + gap));

function colourOf(lambda: number | undefined): readonly number[] {
  if (lambda === undefined) return unmatched;
  const part = (2 * Math.min(Math.max(lambda, 0), largest)) / largest;
  const [from, to, along] = part < 1 ? [low, middle, part] : [middle, high, part - 1];
  return from.map((value, channel) => Math.round(value + along * ((to[channel] as number) - value)));
}
