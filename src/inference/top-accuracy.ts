/** How often an image's class is among the K likeliest. */
export interface TopAccuracy {
  /** K. */
  readonly k: number;
  /** Number of images whose class is. */
  readonly correct: number;
  /** In [0, 1]. */
  readonly accuracy: number;
}

export const topAccuracy = (k: number, correct: number, total: number): TopAccuracy => ({
  k,
  correct,
  accuracy: correct / total,
});

/** Returns text such as: top 5 95.20 %. */
export const formatTop = ({ k, accuracy }: TopAccuracy, digits = 2): string =>
  `top ${k} ${(100 * accuracy).toFixed(digits)} %`;
