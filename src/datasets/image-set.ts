/**
 * Labelled images of one size, all resident: what every data set layout becomes.
 * `pixels` is uint8, count × size × size × 3 (row-major, channels last, RGB).
 */
export interface ImageSet {
  readonly size: number;
  readonly count: number;
  readonly pixels: Uint8Array;
  /** One class index per image, in [0, classNames.length). */
  readonly labels: Int32Array;
  readonly classNames: readonly string[];
}

/** A data set as found on disk: `test` is absent where the folder has none. */
export interface Dataset {
  /** What was detected: 'folder', 'cifar10', 'cifar100', 'idx'. */
  readonly layout: string;
  readonly train: ImageSet | undefined;
  readonly validation: ImageSet | undefined;
  readonly test: ImageSet | undefined;
  readonly classNames: readonly string[];
}
