import { createHash } from 'node:crypto';
import { L2TError } from '../errors.js';
import { aListingListener, aProgressListener, aSignal, takeOptions } from '../options/arguments.js';
import { required, type Written } from '../options/check.js';
import { type SplitName, splitNames } from '../options/datasets.js';
import { dataCheckSchema } from '../options/schemas.js';
import { spelled } from '../options/spelling.js';
import { isLimitError } from '../system/limits.js';
import { median } from '../system/statistics.js';
import type { ImageList } from './dataset.js';
import { countPerClass } from './dataset.js';
import type { ListingOptions } from './layout-reader.js';
import { loadData } from './load.js';
import { forEachImage } from './reading.js';
import { divide, withTest } from './split.js';

/** Options of `checkData`: `data`, `layout` and `classes` of docs/options.md, and what only the API has. */
export type DataCheckOptions = Written<typeof dataCheckSchema, 'data'> &
  ListingOptions & {
    /** Called with the number of images decoded so far. */
    readonly onProgress?: ((done: number, total: number) => void) | undefined;
  };

/** An image that cannot be decoded. */
export interface DamagedImage {
  /** Its file, or its place in the data set's array. */
  readonly image: string;
  /** A sentence that names the image and says what is wrong with it. */
  readonly problem: string;
}

/** The sides of a split's images, pixels. */
export interface Sides {
  /** The smallest. */
  readonly min: number;
  /** The median; for an even count, the mean of the two middle ones. */
  readonly median: number;
  /** The largest. */
  readonly max: number;
}

/** The findings of `checkData` in one split. */
export interface SplitReport {
  /** The split's name. */
  readonly split: SplitName;
  /** Number of images, damaged ones too. */
  readonly images: number;
  /** Number of images of each class. */
  readonly perClass: readonly number[];
  /** Short sides of the images that could be decoded; absent if none could. */
  readonly short?: Sides;
  /** The same of their long sides. */
  readonly long?: Sides;
  /** Number of images with an EXIF orientation that says that they are stored turned or mirrored; they are read upright. */
  readonly turned: number;
  /** The images that cannot be decoded. */
  readonly damaged: readonly DamagedImage[];
  /** Number of images that equal an earlier image of this split. */
  readonly repeated: number;
}

/** The findings of `checkData`. */
export interface DataReport {
  /** The folder that was given. */
  readonly folder: string;
  /** The layout that was recognised or given; docs/data.md lists them. */
  readonly layout: string;
  /** The classes, by index. */
  readonly classNames: readonly string[];
  /** Number of published folds of the training images; 0 for most data sets. */
  readonly folds: number;
  /** Columns of Parquet files that were found or named. */
  readonly columns?: {
    /** The column of the images. */
    readonly image: string;
    /** The column of the labels. */
    readonly label: string;
  };
  /** The splits that the data set has. */
  readonly splits: readonly SplitReport[];
  /** Pairs of images in different splits with exactly equal pixels. */
  readonly shared: readonly {
    /** One image of each split. */
    readonly images: readonly [string, string];
    /** Their splits, in the same order. */
    readonly splits: readonly [SplitName, SplitName];
  }[];
  /** Pairs of images of different classes with exactly equal pixels. */
  readonly inTwoClasses: readonly {
    /** One image of each class. */
    readonly images: readonly [string, string];
    /** Their classes, in the same order. */
    readonly classes: readonly [string, string];
  }[];
  /** Problems that do not stop a run, one sentence each. */
  readonly warnings: readonly string[];
  /** Images decoded per second. */
  readonly imagesPerSecond: number;
}

/**
 * Decodes every image of a data set and reports counts, sizes, damaged files, and images that are in two splits or
 * classes.
 * @throws L2TError INVALID_DATA if the folder has no known layout or is incomplete, or if nothing can be trained on its
 * training images, such as those of a single class; FILE_ACCESS; ABORTED.
 */
export async function checkData(callerOptions: DataCheckOptions): Promise<DataReport> {
  const { options, control } = takeOptions(dataCheckSchema, callerOptions, {
    signal: aSignal,
    onListed: aListingListener,
    onProgress: aProgressListener,
  });
  const { signal, onListed } = control;
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(spelled(message));
  const data = required(dataCheckSchema, options, 'data');
  const dataset = await loadData({ ...options, data, signal, onListed, onWarning });
  if (dataset.train) divide(withTest(dataset), { data, seed: 0 });
  const start = performance.now();
  const decoded = splitNames.flatMap((split): DecodedSplit[] => {
    const list = dataset[split];
    return list ? [{ split, list, images: new Array(list.count) }] : [];
  });
  await forEachImage(decoded, dataset.folder, control, async ({ list, images }, index) => {
    images[index] = await see(list, index);
  });
  const seconds = (performance.now() - start) / 1000;
  const total = decoded.reduce((sum, { list }) => sum + list.count, 0);
  return {
    folder: data,
    layout: dataset.layout,
    classNames: dataset.classNames,
    folds: dataset.folds.length,
    ...(dataset.columns && { columns: dataset.columns }),
    splits: decoded.map((split) => splitReport(split, dataset.classNames.length)),
    ...findEqual(decoded, dataset.classNames),
    warnings,
    imagesPerSecond: total / seconds,
  };
}

interface Seen {
  /** Hash of height, width and pixels. */
  readonly content: string;
  readonly short: number;
  readonly long: number;
  readonly turned: boolean;
}

interface DecodedSplit {
  readonly split: SplitName;
  readonly list: ImageList;
  /** One entry per image: an error if it could not be decoded. */
  readonly images: (Seen | L2TError)[];
}

async function see(list: ImageList, index: number): Promise<Seen | L2TError> {
  try {
    const { pixels, height, width, turned = false } = await list.read(index);
    const content = createHash('sha256').update(`${height} ${width} `).update(pixels).digest('base64');
    return { content, short: Math.min(height, width), long: Math.max(height, width), turned };
  } catch (error) {
    if (error instanceof L2TError && !isForWantOfFiles(error) && !isLimitError(error)) return error;
    throw error;
  }
}

/** Checks whether too many open files are the cause. The image may then be sound. */
function isForWantOfFiles({ cause }: L2TError): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EMFILE' || code === 'ENFILE';
}

function splitReport({ split, list, images }: DecodedSplit, classes: number): SplitReport {
  const sound = images.filter((image): image is Seen => !(image instanceof L2TError));
  return {
    split,
    images: list.count,
    perClass: countPerClass(list.labels, classes),
    turned: sound.filter(({ turned }) => turned).length,
    damaged: images.flatMap((image, index) =>
      image instanceof L2TError ? [{ image: list.name(index), problem: image.message }] : [],
    ),
    ...(sound.length > 0 && {
      short: range(sound.map(({ short }) => short)),
      long: range(sound.map(({ long }) => long)),
    }),
    repeated: sound.length - new Set(sound.map(({ content }) => content)).size,
  };
}

function range(values: readonly number[]): Sides {
  const sorted = values.toSorted((a, b) => a - b);
  return { min: sorted[0] as number, median: median(sorted), max: sorted.at(-1) as number };
}

/** Compares each image with the first that has the same pixels. */
function findEqual(
  splits: readonly DecodedSplit[],
  classNames: readonly string[],
): Pick<DataReport, 'shared' | 'inTwoClasses'> {
  const first = new Map<string, { readonly split: SplitName; readonly image: string; readonly name: string }>();
  const shared: DataReport['shared'][number][] = [];
  const inTwoClasses: DataReport['inTwoClasses'][number][] = [];
  for (const { split, list, images } of splits) {
    images.forEach((seen, index) => {
      if (seen instanceof L2TError) return;
      const [image, name] = [list.name(index), classNames[list.labels[index] as number] as string];
      const other = first.get(seen.content);
      if (other === undefined) first.set(seen.content, { split, image, name });
      else {
        if (other.split !== split) shared.push({ images: [other.image, image], splits: [other.split, split] });
        if (other.name !== name) inTwoClasses.push({ images: [other.image, image], classes: [other.name, name] });
      }
    });
  }
  return { shared, inTwoClasses };
}
