import { extname } from 'node:path';
import type { L2TError } from '../errors.js';
import type { Layout } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { printable, shown, someOf } from '../system/printable.js';
import { sum } from '../system/statistics.js';
import type { Dataset } from './dataset.js';
import { heicAdvice, imageFormats } from './decode.js';
import type { Walk } from './walk.js';

/** The columns of images and of labels, as the person names them. */
export interface ColumnNames {
  readonly imageColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** What a data set is, where its files do not show it. */
export interface DataKind extends ColumnNames {
  readonly layout?: Layout | undefined;
}

/** Recognises and lists data sets of one layout. */
export interface LayoutReader {
  readonly layout: Layout;
  /** The names of single files that are such a data set; undefined if it is always a folder. */
  readonly file?: RegExp;
  /** True if the person may name the columns. */
  readonly hasColumns?: true;
  /**
   * The folder that holds the data set (`folder`, or the archive's own folder inside it), or its file, if at least part
   * of the layout is there; else undefined. `names`: the folder's entries without hidden ones, sorted; if there are very many, some
   * of them. `asked.layout` is this layout if the person named it.
   *
   * Throws INVALID_DATA if the person named this layout and it is clear what is wrong.
   */
  find(folder: string, names: readonly string[], walk: Walk, asked: DataKind): Promise<string | undefined>;
  /**
   * Lists the images without decoding any. `folder` is the result of `find`, or a file whose name matches `file`.
   *
   * Throws INVALID_DATA, naming what is missing or wrong and what was found; INVALID_OPTION about columns; FILE_ACCESS;
   * ABORTED by `walk`.
   */
  open(folder: string, walk: Walk, columns: ColumnNames): Promise<Dataset>;
}

const understood = [
  `  - folder: a folder per class, FOLDER/train/CLASS/*.png with any of train, val and test, or FOLDER/CLASS/*.png (${imageFormats});`,
  '  - parquet: files of Hugging Face (train-00000-of-00001.parquet, train/*.parquet, also in data/) with a column of images;',
  '  - list: one CSV or JSON-lines file with the columns file and label, and split if there are several;',
  '  - imagenet: train/ and val/ with folders such as n01440764; tinyimagenet: tiny-imagenet-200 as distributed;',
  '  - cifar10, cifar100: the binary version (data_batch_1.bin … and test_batch.bin, or train.bin and test.bin);',
  '  - stl10: the binary version (train_X.bin, train_y.bin, test_X.bin, test_y.bin);',
  '  - svhn: the cropped digits (train_32x32.mat, test_32x32.mat);',
  '  - cub200: images.txt, image_class_labels.txt, train_test_split.txt and images/; mit67: TrainImages.txt, TestImages.txt and Images/;',
  '  - stanford40: ImageSplits/ and JPEGImages/; stanford-dogs: train_list.mat, test_list.mat and Images/;',
  "  - idx: MNIST's format (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, plain or .gz).",
];

/** INVALID_DATA for a folder that is no data set: it states the `problem` and lists the supported layouts. */
export function unknownLayout(folder: string, problem: string, advice = ''): L2TError {
  return invalidData([`${folder} ${problem}.${advice} Understood are:`, ...understood]);
}

export function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

/** The first few names, for an error message. */
export const nameSome = (names: readonly string[]): string => (names.length === 0 ? 'nothing' : someOf(names, 8));

/** Entries of a data folder that are no images, by type. */
export class PassedOver {
  #first = '';
  readonly #types = new Map<string, number>();

  add(path: string): void {
    this.#first ||= path;
    const type = shown(extname(path).toLowerCase()) || 'without an extension';
    this.#types.set(type, (this.#types.get(type) ?? 0) + 1);
  }

  /** Follows a sentence: ` (12 .heic, 3 .tiff)`; empty if there are none. */
  get types(): string {
    const byCount = [...this.#types].sort(([, a], [, b]) => b - a).map(([type, count]) => `${count} ${type}`);
    return byCount.length === 0 ? '' : ` (${nameSome(byCount)})`;
  }

  /** How to read what can be converted, after a sentence. */
  get advice(): string {
    return this.#types.has('.heic') || this.#types.has('.heif') ? ` ${heicAdvice}` : '';
  }

  /** The warning about them, if there are any. `which` says what they are. */
  warning(folder: string, which: string): string[] {
    const count = sum([...this.#types.values()]);
    if (count === 0) return [];
    const passed = `${folder}: passed over ${count} entries${this.types}${which} (first: ${this.#first}).`;
    return [printable(passed) + this.advice];
  }
}
