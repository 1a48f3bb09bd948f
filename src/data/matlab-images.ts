import { invalidData } from '../system/failures.js';
import { fromPlanes, type ImageList, imageArray } from './image-list.js';

/** Square images in MATLAB's layout: image × channel × column × row; the row index runs fastest. */
export function matlabImages(file: string, side: number, pixels: Uint8Array, labels: Int32Array): ImageList {
  const bytes = 3 * side * side;
  return imageArray(
    (index) => `${file}, image ${index}`,
    [side, side],
    labels,
    (index) => fromPlanes(pixels.subarray(index * bytes, (index + 1) * bytes), side, 1, side),
  );
}

/** Converts labels from 1, as in MATLAB, to classes from 0. Throws INVALID_DATA if one is out of range. */
export function classesFromOne(labels: ArrayLike<number>, classes: number, file: string): Int32Array {
  return Int32Array.from(labels, (label, image) => {
    if (Number.isInteger(label) && label >= 1 && label <= classes) return label - 1;
    throw invalidData(`${file}: image ${image} has label ${label}, but labels are 1 to ${classes}.`);
  });
}
