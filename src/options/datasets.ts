/** The supported layouts of data sets. */
export const layouts = [
  'cifar10',
  'cifar100',
  'stl10',
  'svhn',
  'tinyimagenet',
  'cub200',
  'mit67',
  'stanford40',
  'stanford-dogs',
  'idx',
  'parquet',
  'list',
  'imagenet',
  'folder',
] as const;
export type Layout = (typeof layouts)[number];

/** The splits of a data set. */
export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];

/** Among the paths of images without labels: the training images that `perClass` leaves out. */
export const restName = 'rest';

/** The sets of images of a run. */
export const setNames = ['train', 'unlabelled', 'validation', 'test'] as const;
export type SetName = (typeof setNames)[number];
