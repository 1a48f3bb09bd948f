import * as z from 'zod';
import {
  augmentNames,
  batchNormNames,
  convolutionNames,
  engineNames,
  precisionNames,
} from '../native/contract/names.js';
import { layoutNames } from './datasets.js';
import { logNames } from './logs.js';
import type { Marks } from './marks.js';
import { settings } from './methods.js';
import { defaultBatch, defaultSize, networkNames, writtenNetwork } from './networks.js';
import { above, between, choice, custom, grouped, listed, path, someOf, text, toggle, whole } from './row.js';

// Rows of data, network and training that several verbs have.

/** The row of a network's name. */
export const network = <const M extends Marks>(help: string, marks?: M) =>
  custom(writtenNetwork, 'name', `one of ${networkNames.join(', ')}`, help, marks, networkNames);

const small = networkNames.filter((name) => defaultSize(name) === 32);

/** Options of every verb that reads a data set. */
export const common = {
  ...grouped('Data', {
    data: path(
      'path',
      'data set: class folders (train/, val/, test/ or flat), Parquet files of Hugging Face, a CSV or JSON-lines file, or a ' +
        'published one as distributed (docs/data.md)',
      { scope: 'input', needed: true, first: true },
    ),
    layout: choice(layoutNames, "the data set's layout (what its files show)"),
    imageColumn: text(
      'name',
      'the name of a column',
      'the column of images in Parquet files or a list, if it is not found by itself',
    ),
    labelColumn: text(
      'name',
      'the name of a column',
      'the column of labels in Parquet files or a list, if it is not found by itself',
    ),
    classes: listed('list', 'names or indices, separated by commas', 'only these classes of the data set'),
    splitFile: path(
      'file',
      "file that says which images train, validate and test: a run's split.json, or the authors' files by the beginning of their names",
      { scope: 'input' },
    ),
    skipDamaged: toggle('leave out damaged images and record which they are, instead of ending with an error', {
      default: false,
    }),
  }),
  size: whole(8, 1024, `side of the network's images, pixels (32 for ${small.join(', ')}, else 224)`, {
    default: ({ target }) => defaultSize(target),
    first: true,
  }),
  width: above(0, 8, "multiplies the network's channel counts", { default: 1 }),
  ...grouped('Where it runs', {
    device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute', {
      default: 'auto',
      found: (_, facts) => facts.device,
      scope: 'place',
    }),
    threads: whole(1, 1024, 'CPU threads (all cores); the same number gives the same result', {
      found: ({ threads }, facts) => threads ?? facts.threads,
      scope: 'place',
    }),
  }),
};

/** Options of every verb that trains. */
export const training = {
  ...common,
  ...grouped('Data', {
    perClass: whole(1, 10_000_000, 'draw this many training images a class', { first: true }),
    validation: custom(
      z
        .number()
        .gte(0)
        .lte(10_000_000)
        .refine((value) => value < 1 || Number.isInteger(value)),
      'x',
      '0, a fraction below 1, or a whole number',
      'hold out this many training images a class, or this fraction of each class, to validate on; ' +
        "0: do not validate, even if the data set has validation images (the data set's own validation images)",
      { paper: 0.1 },
    ),
    fold: whole(0, 9, 'train on this one of the ten published parts of the training images (STL-10)'),
    cache: path(
      'dir',
      'folder that keeps resized images for later runs; for sizes of at least 64, from which decoding takes longer than training',
      { scope: 'place' },
    ),
  }),
  ...grouped('Training', {
    size: common.size,
    width: common.width,
    epochs: whole(1, 1_000_000, 'passes over the training images', { default: 200, paper: 200, first: true }),
    batch: whole(
      2,
      65_536,
      'images a step (128, or 64 for sizes from 224; 64 or 32 for fewer than 2,048 or 1,024 training images)',
      { found: ({ batch, size }, { images }) => batch ?? defaultBatch(size, images) },
    ),
    seed: whole(0, 2 ** 32 - 1, 'seed of all random numbers', { default: 0, first: true }),
    augment: choice(
      augmentNames,
      'how training images are varied: crop-flip crops at random and mirrors half of them; none takes what ' +
        'evaluation takes: the whole image, from 64 pixels on its centre',
      { default: 'crop-flip' },
    ),
    evalEvery: whole(1, 1_000_000, 'validate after every n-th epoch, and after the last; needs validation images', {
      default: 1,
    }),
    patience: whole(
      1,
      1_000_000,
      'end the run after n validations in a row without a better accuracy; the result is the best epoch (train all epochs)',
    ),
  }),
  ...grouped('Where it runs', {
    engine: choice(
      engineNames,
      'what computes the gradients: native kernels, or automatic differentiation, which is slower',
      { default: 'native' },
    ),
    convolution: choice(
      convolutionNames,
      "how the native engine computes convolutions: by its own kernels, 3×3 ones by Winograd's method, if this machine can (auto), " +
        'always (winograd: an error if it cannot), or never (direct)',
      { default: 'auto' },
    ),
    precision: choice(
      precisionNames,
      'how a GPU multiplies in convolutions and linear layers: in float32, or faster and less exact with inputs rounded ' +
        'to TF32 or bfloat16 (bf16); all else is float32, and so is a CPU',
      { default: 'float32' },
    ),
    deterministic: toggle(
      'a GPU gives the same bits each time; if false, it may take faster algorithms, whose results differ from run to run',
      { default: true, off: 'on a GPU, take faster algorithms, whose results differ from run to run' },
    ),
    graph: toggle('a GPU runs a step as one CUDA graph; if false, operation by operation, with the same bits', {
      default: true,
      off: 'on a GPU, run a step operation by operation, not as one CUDA graph, with the same bits',
    }),
    batchNorm: choice(
      batchNormNames,
      'of several processes: batch norm takes its statistics over the whole batch, as one process does (global), or over ' +
        'the part of each process, which is another result, but faster on a slow network (local)',
      { default: 'global' },
    ),
  }),
  ...grouped('Output', {
    out: path('dir', 'run folder to create (runs/…, the first free)', { scope: 'call', first: true }),
  }),
  ...grouped('Training', {
    lr: custom(
      z.union([z.literal('auto'), z.number().gt(0).lte(100)]),
      'x',
      'auto, or a number above 0 and at most 100',
      'learning rate of SGD, cosine schedule; auto finds one for this data and warms up to it',
      { default: 'auto', paper: 0.1, first: true },
    ),
    minLr: between(0, 100, 'learning rate at which the cosine ends; with {lr=auto}, at most the rate found', {
      default: 0,
      paper: 0,
      refuses: ({ lr, minLr }) =>
        typeof lr === 'number' && minLr > lr ? `is above {lr=${lr}}, at which the cosine begins: lower it.` : undefined,
    }),
    momentum: settings.momentum,
    weightDecay: settings.weightDecay,
    labelSmoothing: settings.labelSmoothing,
    balance: toggle(
      'weigh images in the cross-entropy so that all classes count alike: for data with many images of some classes and few of others',
      { default: false },
    ),
  }),
  ...grouped('Output', {
    saveEvery: above(0, 1e6, 'seconds between saves within an epoch', { default: 60, scope: 'output' }),
    report: toggle('write report.html, a page with curves and pictures: after each epoch, and at the end', {
      default: true,
      off: 'do not write report.html',
      scope: 'output',
    }),
    log: someOf(
      logNames,
      'logs for other programs, in the run folder: csv writes metrics.csv, tensorboard events.out.tfevents.… (none)',
      { scope: 'output' },
    ),
  }),
};
