/**
 * The supported layouts of data sets, each with the entries by which it is known. In order of certainty: layouts with
 * files of specific names come before those that are recognised only by their folders.
 */
export const layouts = {
  cifar10: 'the binary version: data_batch_1.bin … and test_batch.bin',
  cifar100: 'the binary version: train.bin and test.bin',
  stl10: 'the binary version: train_X.bin, train_y.bin, test_X.bin, test_y.bin',
  svhn: 'the cropped digits: train_32x32.mat, test_32x32.mat',
  cub200: 'images.txt, image_class_labels.txt, train_test_split.txt and images/',
  mit67: 'TrainImages.txt, TestImages.txt and Images/',
  stanford40: 'ImageSplits/ and JPEGImages/',
  'stanford-dogs': 'train_list.mat, test_list.mat and Images/',
  'oxford-iiit-pet': 'annotations/trainval.txt, annotations/test.txt and images/',
  idx: "MNIST's format: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, plain or .gz",
  parquet:
    'files of Hugging Face (train-00000-of-00001.parquet, train/*.parquet, also in data/) with a column of images',
  list: 'one CSV or JSON-lines file with the columns file and label, and split if there are several',
  tinyimagenet: 'tiny-imagenet-200 as distributed: wnids.txt, train/ and val/',
  imagenet: 'train/ and val/ with folders such as n01440764',
  folder: 'a folder per class: FOLDER/train/CLASS/*.png with any of train, val and test, or FOLDER/CLASS/*.png',
} as const satisfies Readonly<Record<string, string>>;
export type Layout = keyof typeof layouts;
export const layoutNames = Object.keys(layouts) as readonly Layout[];

/** The splits of a data set. */
export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];

/** The value of `unlabelled` that stands for the training images that `perClass` leaves out. */
export const restName = 'rest';

/** The sets of images of a run. */
export const setNames = ['train', 'unlabelled', 'validation', 'test'] as const;
export type SetName = (typeof setNames)[number];
