/** A box in an image, in pixels. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Number of tries. Each takes four uniform numbers: for area, proportions, top and left. */
const tries = 10;

/** Number of uniform numbers in [0, 1) that one crop takes. */
export const drawsPerCrop = 4 * tries;

const area = { least: 0.08, most: 1 };
/** Width to height. */
const proportions = { least: 3 / 4, most: 4 / 3 };

/**
 * The usual random resized crop for 224×224: the share of the image's area is uniform in [0.08, 1], the proportions are
 * log-uniform in [3/4, 4/3], and the position is uniform. After ten boxes that do not fit, it is the largest central
 * box of allowed proportions. Deterministic for given `draws`.
 */
export function randomResizedCrop(height: number, width: number, draws: Float64Array): Box {
  for (let k = 0; k < tries; k++) {
    const [forArea = 0, forRatio = 0, forTop = 0, forLeft = 0] = draws.subarray(4 * k, 4 * k + 4);
    const share = area.least + (area.most - area.least) * forArea;
    const [low, high] = [Math.log(proportions.least), Math.log(proportions.most)];
    const ratio = Math.exp(low + (high - low) * forRatio);
    const wanted = {
      width: Math.round(Math.sqrt(height * width * share * ratio)),
      height: Math.round(Math.sqrt((height * width * share) / ratio)),
    };
    if (wanted.width < 1 || wanted.height < 1 || wanted.width > width || wanted.height > height) continue;
    const top = Math.floor(forTop * (height - wanted.height + 1));
    const left = Math.floor(forLeft * (width - wanted.width + 1));
    return { top, left, ...wanted };
  }
  const ratio = width / height;
  const box = {
    height: ratio < proportions.least ? Math.min(height, Math.round(width / proportions.least)) : height,
    width: ratio > proportions.most ? Math.min(width, Math.round(height * proportions.most)) : width,
  };
  return { top: Math.floor((height - box.height) / 2), left: Math.floor((width - box.width) / 2), ...box };
}

/** The largest factor by which an image may be reduced so that `box` still has at least `size` pixels a side. */
export function reductionFor({ height, width }: Box, size: number): 1 | 3 | 5 {
  const factors = [5, 3] as const;
  return factors.find((factor) => Math.min(height, width) >= factor * size) ?? 1;
}
