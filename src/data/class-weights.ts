import { countPerClass } from './dataset.js';

/**
 * The weight of each of `classes` classes with which all count alike in a mean over the images: N/(K·N_c), for N images
 * with these labels, K classes of which class c has N_c images; 0 if it has none. Their mean over the images is 1 if
 * every class has an image.
 */
export function balancedWeights(labels: Int32Array, classes: number): number[] {
  return countPerClass(labels, classes).map((count) => (count === 0 ? 0 : labels.length / (classes * count)));
}
