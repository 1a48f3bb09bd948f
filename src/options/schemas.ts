import * as z from 'zod';
import type { ConvolutionName, EngineName } from '../native/contract.js';
import { type About, anyPath, isPath } from './check.js';
import { layouts, splitNames } from './datasets.js';
import { methodNames, methodNeeds, rowNames } from './methods.js';
import { networkNames } from './networks.js';

const about = <S extends z.ZodType>(schema: S, value: string, allowed: string, help: string): S =>
  schema.meta({ value, allowed, help } satisfies About);

const text = (value: string, allowed: string, help: string) => about(z.string().min(1), value, allowed, help);
const path = (value: string, help: string) => about(z.string().refine(isPath), value, anyPath, help);
const choice = <const T extends readonly string[]>(names: T, help: string) =>
  about(z.enum(names), 'name', `one of ${names.join(', ')}`, help);
const whole = (min: number, max: number, help: string) =>
  about(z.int().min(min).max(max), 'n', `a whole number from ${min} to ${max}`, help);
const above = (min: number, max: number, help: string) =>
  about(z.number().gt(min).lte(max), 'x', `a number above ${min} and at most ${max}`, help);
const between = (min: number, max: number, help: string) =>
  about(z.number().gte(min).lte(max), 'x', `a number from ${min} to ${max}`, help);
const repeated = <S extends z.ZodType>(schema: S) =>
  z.union([schema, z.array(schema).min(1).readonly()]).meta({ ...(schema.meta() as About), repeats: true });
/** A list, written as one string on the command line. YAML and the API also allow an array or a single number. */
const listed = (value: string, allowed: string, help: string) => {
  const item = z.union([z.string().min(1), z.int()]);
  return about(z.union([item, z.array(item).min(1).readonly()]).transform(String), value, allowed, help);
};
const yes = (help: string) => about(z.boolean(), '', 'true or false', help);

export const engineNames = ['native', 'autograd'] as const satisfies readonly EngineName[];
export const convolutionNames = ['auto', 'winograd', 'direct'] as const satisfies readonly ConvolutionName[];

/** The paper's hyperparameters, which are the defaults. The learning rate is found by default (learning-rate.ts). */
export const defaultHyperparameters = {
  momentum: 0.9,
  weightDecay: 1e-4,
  beta: 0.5,
  innerSteps: 2,
  metaLr: 1e-4,
  metaWeightDecay: 1e-4,
  attentionWeight: 1e3,
  distillationWeight: 1,
  temperature: 2,
};
type HyperparameterValues = typeof defaultHyperparameters;

/** The given hyperparameters, and the defaults for the rest. */
export function hyperparameters(
  given: { readonly [key in keyof HyperparameterValues]?: number | undefined },
): HyperparameterValues {
  const keys = Object.keys(defaultHyperparameters) as (keyof HyperparameterValues)[];
  const values = keys.map((key) => [key, given[key] ?? defaultHyperparameters[key]]);
  return Object.fromEntries(values) as HyperparameterValues;
}

const common = {
  data: path(
    'dir',
    'data set: class folders (train/, val/, test/ or flat), or a published one as distributed (docs/data.md)',
  ),
  layout: choice(layouts, "the data set's layout (what its files show)"),
  classes: listed('list', 'names or indices, separated by commas', 'only these classes of the data set'),
  splitFile: path(
    'file',
    "file that says which images train, validate and test: a run's split.json, or the authors' files by the beginning of their names",
  ),
  size: whole(8, 1024, "side of the network's images, pixels (224 for resnet18 and resnet34, else 32)"),
  width: above(0, 8, "multiplies the network's channel counts (1)"),
  device: text('name', 'auto, cpu, cuda or cuda:N', 'where to compute (auto)'),
  threads: whole(1, 1024, 'CPU threads (all cores); the same number gives the same result'),
};

const training = {
  ...common,
  perClass: whole(1, 10_000_000, 'draw this many training images a class'),
  validation: about(
    z
      .number()
      .gte(0)
      .lte(10_000_000)
      .refine((value) => value < 1 || Number.isInteger(value)),
    'x',
    '0, a fraction below 1, or a whole number',
    'hold out this many training images a class, or this fraction of each class, to validate on; ' +
      "0: do not validate, even where the data set has validation images (the data set's own validation images)",
  ),
  fold: whole(0, 9, 'train on this one of the ten published parts of the training images (STL-10)'),
  cache: path(
    'dir',
    'folder that keeps resized images for later runs; for sizes from 64, where decoding takes longer than training',
  ),
  epochs: whole(1, 1_000_000, 'passes over the training images (200)'),
  batch: whole(
    2,
    65_536,
    'images a step (128, or 64 for sizes from 224; 64 or 32 for fewer than 2,048 or 1,024 training images)',
  ),
  seed: whole(0, 2 ** 32 - 1, 'seed of all random numbers (0)'),
  engine: choice(
    engineNames,
    'what computes the gradients: native kernels, or automatic differentiation, which is slower (native)',
  ),
  convolution: choice(
    convolutionNames,
    "how the native engine computes 3×3 convolutions: by Winograd's method where this machine can (auto), " +
      'always (winograd: an error where it cannot), or never (direct) (auto)',
  ),
  out: path('dir', 'run folder to create (runs/…, the first free)'),
  lr: about(
    z.union([z.literal('auto'), z.number().gt(0).lte(100)]),
    'x',
    'auto, or a number above 0 and at most 100',
    'learning rate of SGD, cosine schedule; auto finds one for this data and warms up to it (auto)',
  ),
  momentum: about(z.number().gte(0).lt(1), 'x', 'a number from 0 and below 1', 'momentum of SGD (0.9)'),
  weightDecay: between(0, 1, 'weight decay of SGD (1e-4)'),
  saveEvery: above(0, 1e6, 'seconds between saves within an epoch (60)'),
};

/** Options of `pretrain`. API, command line and YAML use the same schema. */
export const pretrainSchema = z.strictObject({
  network: choice(networkNames, 'network to train'),
  ...training,
});

const matchingAll = methodNames.filter((method) => methodNeeds[method].pairs === 'all-to-all');
const perSource = '; one for all sources, or one for each';

/** Options of `transfer`. */
export const transferSchema = z.strictObject({
  source: repeated(path('checkpoint', 'pretrained network to learn from: safetensors or .pth; repeat it for several')),
  sourceNetwork: repeated(choice(networkNames, `the source's network, where its checkpoint does not say${perSource}`)),
  sourceSize: repeated(
    whole(8, 1024, `side of the source's images, pixels (what its checkpoint says, else its network's)${perSource}`),
  ),
  sourceWidth: repeated(above(0, 8, `the source's width, where its checkpoint does not say (1)${perSource}`)),
  target: choice(networkNames, 'network to train'),
  method: choice(methodNames, 'how to learn from the source (l2t-ww)'),
  pairs: repeated(
    text(
      'config',
      'all-to-all, one-to-one, single, or a list of source-target indices such as 4-0,9-1',
      `which features to match (all-to-all for ${matchingAll.join(' and ')}, else one-to-one)${perSource}`,
    ),
  ),
  targetInit: path('checkpoint', "weights of the target's network to start from (the seed's)"),
  strict: yes('refuse checkpoints that hold entries which the network does not have'),
  ...training,
  beta: between(0, 1e6, 'weight of the matching loss (0.5)'),
  innerSteps: whole(1, 100, 'T, virtual steps on the matching loss (2)'),
  metaLr: between(0, 10, 'learning rate of Adam on the meta-networks (1e-4)'),
  metaWeightDecay: between(0, 1, 'weight decay of Adam on the meta-networks (1e-4)'),
  attentionWeight: between(0, 1e9, 'weight of the attention loss (1000)'),
  distillationWeight: between(0, 1e6, 'weight of the distillation loss of lwf (1)'),
  temperature: above(0, 1000, "temperature of the softmax in lwf's distillation loss (2)"),
});

/** The default methods of `compare` and `curve`. */
export const defaultMethods = 'scratch,fm,at,l2t-w,l2t-ww,finetune-source';

/** Options of `compare`: the options of `transfer` that are the same for every method, and the methods. */
export const compareSchema = transferSchema.omit({ method: true, pairs: true, seed: true, targetInit: true }).extend({
  methods: listed(
    'list',
    `methods separated by commas, of ${rowNames.join(', ')}; a method's pairs follow a colon, as in fm:all-to-all`,
    `methods to compare; finetune-source fine-tunes the first source's own network (${defaultMethods})`,
  ),
  seeds: whole(1, 100, 'runs of each method, with seeds 0, 1, … (3)'),
  parallel: whole(1, 64, 'runs side by side (as many as have their --threads in cores, and memory; 1 on a GPU)'),
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
export const reproduceSchema = curveSchema.omit({ source: true }).extend({
  sourceWeights: repeated(
    path('file', "the preset's pretrained source: safetensors or .pth; once for each source, in the order of --list"),
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
  network: choice(networkNames, "the checkpoint's network, where it does not say"),
  ...common,
  split: choice(splitNames, 'which images (test, or the folder itself where it is flat)'),
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
  network: choice(networkNames, "the checkpoint's network, where it does not say"),
  top: whole(1, 1_000_000, 'labels an image (5)'),
  device: common.device,
  threads: common.threads,
  ...inference,
});

/** Options of `data check`. */
export const dataCheckSchema = z.strictObject({ data: common.data, layout: common.layout, classes: common.classes });

/** Options of `demo`. */
export const demoSchema = z.strictObject({
  data: path('dir', 'another data set (a small subset of Fashion-MNIST)'),
  seeds: whole(1, 100, 'runs of each method (3; 1 with --quick)'),
  threads: common.threads,
  out: path('dir', 'where the runs go (runs/demo-…, the first free)'),
});
