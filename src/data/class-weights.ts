/**
 * The weight of each of `classes` classes with which all count alike in a mean over the images: N/(K·N_c), for N images
 * with these labels, K classes of which class c has N_c images; 0 if it has none. Their mean over the images is 1 if
 * every class has an image.
 */
export function balancedWeights(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts.map((count) => (count === 0 ? 0 : labels.length / (classes * count)));
}
