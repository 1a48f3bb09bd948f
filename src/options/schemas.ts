import * as z from 'zod';
import {
  augmentNames,
  batchNormNames,
  convolutionNames,
  engineNames,
  metaBatches,
  precisionNames,
} from '../native/contract/names.js';
import { layouts, splitNames } from './datasets.js';
import { logNames } from './logs.js';
import type { Marks } from './marks.js';
import { type MethodName, methodNames, methodOf, rowNames, settings } from './methods.js';
import {
  defaultBatch,
  defaultSize,
  defaultTop,
  networkNames,
  torchvisionNetworks,
  writtenNetwork,
} from './networks.js';
import { above, between, choice, custom, listed, path, repeated, someOf, text, whole, yes } from './row.js';

export const exportFormats = ['onnx', 'safetensors', 'torchvision'] as const;
export type ExportFormat = (typeof exportFormats)[number];

const network = <const M extends Marks>(help: string, marks?: M) =>
  custom(writtenNetwork, 'name', `one of ${networkNames.join(', ')}`, help, marks);

const small = networkNames.filter((name) => defaultSize(name) === 32);

const common = {
  data: path(
    'path',
    'data set: class folders (train/, val/, test/ or flat), Parquet files of Hugging Face, a CSV or JSON-lines file, or a ' +
      'published one as distributed (docs/data.md)',
    { scope: 'input', needed: true },
  ),
  layout: choice(layouts, "the data set's layout (what its files show)"),
  imageColumn: text(
    'name',
    'the name of a column',
    'the column of images in Parquet files or a list, where it is not found by itself',
  ),
  labelColumn: text(
    'name',
    'the name of a column',
    'the column of labels in Parquet files or a list, where it is not found by itself',
  ),
  classes: listed('list', 'names or indices, separated by commas', 'only these classes of the data set'),
  splitFile: path(
    'file',
    "file that says which images train, validate and test: a run's split.json, or the authors' files by the beginning of their names",
    { scope: 'input' },
  ),
  size: whole(8, 1024, `side of the network's images, pixels (32 for ${small.join(', ')}, else 224)`, {
    default: ({ target }) => defaultSize(target),
  }),
  width: above(0, 8, "multiplies the network's channel counts", { default: 1 }),
  device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute', {
    default: 'auto',
    found: (_, facts) => facts.device,
    scope: 'place',
  }),
  threads: whole(1, 1024, 'CPU threads (all cores); the same number gives the same result', {
    found: ({ threads }, facts) => threads ?? facts.threads,
    scope: 'place',
  }),
};

const training = {
  ...common,
  perClass: whole(1, 10_000_000, 'draw this many training images a class'),
  validation: custom(
    z
      .number()
      .gte(0)
      .lte(10_000_000)
      .refine((value) => value < 1 || Number.isInteger(value)),
    'x',
    '0, a fraction below 1, or a whole number',
    'hold out this many training images a class, or this fraction of each class, to validate on; ' +
      "0: do not validate, even where the data set has validation images (the data set's own validation images)",
    { paper: 0.1 },
  ),
  fold: whole(0, 9, 'train on this one of the ten published parts of the training images (STL-10)'),
  cache: path(
    'dir',
    'folder that keeps resized images for later runs; for sizes from 64 alone, where decoding takes longer than training',
    { scope: 'place' },
  ),
  epochs: whole(1, 1_000_000, 'passes over the training images', { default: 200, paper: 200 }),
  batch: whole(
    2,
    65_536,
    'images a step (128, or 64 for sizes from 224; 64 or 32 for fewer than 2,048 or 1,024 training images)',
    { found: ({ batch, size }, { images }) => batch ?? defaultBatch(size, images) },
  ),
  seed: whole(0, 2 ** 32 - 1, 'seed of all random numbers', { default: 0 }),
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
  engine: choice(
    engineNames,
    'what computes the gradients: native kernels, or automatic differentiation, which is slower',
    { default: 'native' },
  ),
  convolution: choice(
    convolutionNames,
    "how the native engine computes convolutions: by its own kernels, 3×3 ones by Winograd's method, where this machine can (auto), " +
      'always (winograd: an error where it cannot), or never (direct)',
    { default: 'auto' },
  ),
  precision: choice(
    precisionNames,
    'how a GPU multiplies in convolutions and linear layers: in float32, or faster and less exact with inputs rounded ' +
      'to TF32 or bfloat16 (bf16); all else is float32, and so is a CPU',
    { default: 'float32' },
  ),
  deterministic: yes(
    'a GPU gives the same bits each time; if false, it may take faster algorithms, whose results differ from run to run',
    { default: true },
  ),
  graph: yes('a GPU runs a step as one CUDA graph; if false, operation by operation, with the same bits', {
    default: true,
  }),
  batchNorm: choice(
    batchNormNames,
    'of several processes: batch norm takes its statistics over the whole batch, as one process does (global), or over ' +
      'the part of each process, which is another result, but faster on a slow network (local)',
    { default: 'global' },
  ),
  out: path('dir', 'run folder to create (runs/…, the first free)', { scope: 'call' }),
  lr: custom(
    z.union([z.literal('auto'), z.number().gt(0).lte(100)]),
    'x',
    'auto, or a number above 0 and at most 100',
    'learning rate of SGD, cosine schedule; auto finds one for this data and warms up to it',
    { default: 'auto', paper: 0.1 },
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
  balance: yes(
    'weigh images in the cross-entropy so that all classes count alike: for data with many images of some classes and few of others',
    { default: false },
  ),
  saveEvery: above(0, 1e6, 'seconds between saves within an epoch', { default: 60, scope: 'output' }),
  report: yes('make report.html, a page with curves and pictures, at the end', { default: true, scope: 'output' }),
  live: custom(
    z.union([z.boolean(), z.int().min(0).max(65_535)]),
    '[port]',
    'a port from 0 to 65535, in YAML and TypeScript also true or false',
    'serve a page at 127.0.0.1 that shows the curves while they grow (at a free port)',
    { scope: 'call' },
  ),
  log: someOf(
    logNames,
    'logs for other programs, in the run folder: csv writes metrics.csv, tensorboard events.out.tfevents.… (none)',
    { scope: 'output' },
  ),
};

/** Options of `pretrain`. API, command line and YAML use the same schema. */
export const pretrainSchema = z.strictObject({
  network: network('network to train', { needed: true }),
  ...training,
});

const matchingAll = methodNames.filter((method) => methodOf(method).pairs === 'all-to-all');
const perSource = '; one for all sources, or one for each';

/** Options of `transfer`. */
export const transferSchema = z.strictObject({
  source: repeated(
    path('checkpoint', 'pretrained network to learn from: safetensors or .pth; repeat it for several', {
      scope: 'input',
      fills: 'path',
      of: ({ source }) => source,
    }),
  ),
  sourceNetwork: repeated(
    network(`the source's network, where its checkpoint does not say${perSource}`, {
      fills: 'network',
      of: ({ source }) => source,
    }),
  ),
  sourceSize: repeated(
    whole(8, 1024, `side of the source's images, pixels (what its checkpoint says, else its network's)${perSource}`, {
      fills: 'size',
      of: ({ source }) => source,
    }),
  ),
  sourceWidth: repeated(
    above(0, 8, `the source's width, where its checkpoint does not say (1)${perSource}`, {
      fills: 'width',
      of: ({ source }) => source,
    }),
  ),
  sourceLicence: repeated(
    text('text', 'a text', `the source's licence, for the model card beside the result (not stated)${perSource}`, {
      fills: 'licence',
      // What a method starts from has a licence, too.
      of: ({ source, start }) => source || start,
    }),
  ),
  target: network('network to train', { needed: true }),
  method: choice(methodNames, 'how to learn from the source', { default: 'l2t-ww' }),
  pairs: repeated(
    text(
      'config',
      'all-to-all, one-to-one, single, or a list of source-target indices such as 4-0,9-1',
      `which features to match (all-to-all for ${matchingAll.join(' and ')}, else one-to-one)${perSource}`,
      { fills: 'pairs', default: ({ method }) => methodOf(method as MethodName).pairs, of: ({ pairs }) => pairs },
    ),
  ),
  targetInit: path('checkpoint', "weights of the target's network to start from (the seed's)", { scope: 'input' }),
  metaBatch: choice(
    metaBatches,
    "which training images judge the meta-networks: the step's own batch, or the next one of the epoch",
    { default: 'same', paper: 'same', of: ({ learns }) => learns },
  ),
  strict: yes('refuse checkpoints that hold entries which the network does not have', {
    default: false,
    scope: 'output',
  }),
  ...training,
  ...settings,
});

/** Options of `proposeOptions`: what a person may know already. The others are proposed. */
export const proposeSchema = transferSchema.pick({
  data: true,
  layout: true,
  imageColumn: true,
  labelColumn: true,
  source: true,
  sourceNetwork: true,
  sourceWidth: true,
  target: true,
  targetInit: true,
  width: true,
  method: true,
  pairs: true,
  size: true,
  epochs: true,
  batch: true,
  device: true,
  threads: true,
});

/** Options of `init`. */
export const initSchema = proposeSchema.extend({
  out: path('file', 'YAML file to write, which must not exist', { default: 'l2t.yaml' }),
});

/** Options of `compare`: the options of `transfer` that are the same for every method, and the methods. */
export const compareSchema = transferSchema.omit({ method: true, pairs: true, seed: true, batchNorm: true }).extend({
  methods: listed(
    'list',
    `some of ${rowNames.join(', ')}, separated by commas; a method's pairs follow a colon, as in fm:all-to-all`,
    `methods to compare; finetune-source fine-tunes the first source's own network`,
    {
      default: 'scratch,fm,at,l2t-w,l2t-ww,finetune-source',
      paper:
        'scratch, lwf, at:one-to-one, lwf+at:one-to-one, fm:single, fm:one-to-one, l2t-w:single, l2t-w:one-to-one, l2t-ww:all-to-all',
    },
  ),
  seeds: whole(1, 100, 'runs of each method, with seeds 0, 1, …', { default: 3 }),
  reportRuns: yes('make the report of each run, too, not of the whole alone'),
  parallel: whole(1, 64, 'runs side by side (as many as have their {threads} in cores, and memory; 1 on a GPU)'),
});

/** Options of `curve`: those of `compare`, with several numbers of images per class. */
export const curveSchema = compareSchema.extend({
  perClass: listed(
    'list',
    'whole numbers separated by commas, such as 50,100,250',
    'training images a class; the table has a column for each number',
  ),
});

/** Options of `reproduce`, which override those of the preset. */
export const reproduceSchema = curveSchema.omit({ source: true, targetInit: true }).extend({
  sourceWeights: repeated(
    path(
      'file',
      "the preset's pretrained source: safetensors or .pth; once for each source, in the order of l2t-native reproduce --list",
    ),
  ),
});

const inference = {
  width: above(0, 8, "the network's width, where the checkpoint does not say (1)"),
  size: whole(8, 1024, "side of the network's images, pixels (what the checkpoint says, else its network's)"),
  batch: whole(1, 65_536, 'images at a time (256; 32 for sizes from 64)'),
  strict: yes('refuse a checkpoint that holds entries which the network does not have'),
};

/** Options of `evaluate`. */
export const evaluateSchema = z.strictObject({
  network: network("the checkpoint's network, where it does not say"),
  ...common,
  split: choice(splitNames, 'which images (test, or the folder itself where it is flat)'),
  top: whole(
    1,
    1_000_000,
    `also count images whose class is among the n likeliest (${defaultTop}; not counted with that many classes or fewer)`,
  ),
  ...inference,
});

/** Options of `Network.load`. */
export const networkSchema = evaluateSchema.pick({
  network: true,
  width: true,
  size: true,
  device: true,
  threads: true,
  strict: true,
});

/** Options of the command `predict`; `batch` and `top` are those of `Network.predict`. */
export const predictSchema = z.strictObject({
  checkpoint: path('file', 'trained network: safetensors or .pth'),
  network: network("the checkpoint's network, where it does not say"),
  top: whole(1, 1_000_000, 'labels an image', { default: 5 }),
  stopOnError: yes('end at the first image that cannot be read'),
  device: common.device,
  threads: common.threads,
  ...inference,
});

/** Options of `report`. */
export const reportSchema = z.strictObject({
  out: path('file', 'where to write the report (report.html in the folder)'),
  device: common.device,
  threads: common.threads,
});

/** Options of `live`. */
export const liveSchema = z.strictObject({
  port: whole(0, 65_535, 'the port at 127.0.0.1 (0: a free one)', { default: 0 }),
});

/** Options of `exportNetwork`. */
export const exportSchema = z.strictObject({
  to: choice(
    exportFormats,
    `onnx: a graph from images to logits; safetensors: this package's checkpoint, in float32; torchvision: the state dict of torchvision's network (${torchvisionNetworks.join(', ')}, of width 1)`,
  ),
  out: path('file', 'file to write, which must not exist'),
  normalise: choice(
    ['outside', 'inside'],
    'of onnx: the graph takes normalised images (outside), or pixels from 0 to 1, which it normalises (inside)',
    { default: 'outside' },
  ),
  network: network("the checkpoint's network, where it does not say"),
  width: inference.width,
  size: inference.size,
  strict: inference.strict,
});

/** Options of `networks`. */
export const networksSchema = z.strictObject({
  network: network('only this network'),
  size: common.size,
  width: common.width,
});

/** Options of `data check`. */
export const dataCheckSchema = z.strictObject({
  data: common.data,
  layout: common.layout,
  imageColumn: common.imageColumn,
  labelColumn: common.labelColumn,
  classes: common.classes,
});

/** Options of `demo`. */
export const demoSchema = z.strictObject({
  data: path('dir', 'another data set (a small subset of Fashion-MNIST)'),
  seeds: whole(1, 100, 'runs of each method (3; 1 with --quick)'),
  threads: common.threads,
  out: path('dir', 'where the runs go (runs/demo-…, the first free)'),
});
