import * as z from 'zod';
import { lambdaInits, metaBatches } from '../native/contract/names.js';
import { restName, splitNames } from './datasets.js';
import { finetuneEpochs, type MethodName, methodNames, methodOf, rowNames, settings } from './methods.js';
import {
  checkpointForms,
  defaultTop,
  networkNames,
  normalisations,
  torchvisionNetworks,
  writtenNetwork,
  writtenNormalisation,
} from './networks.js';
import { above, choice, custom, grouped, listed, path, repeated, repeatedList, text, toggle, whole } from './row.js';
import { common, network, training } from './training-rows.js';

const exportFormats = ['onnx', 'safetensors', 'torchvision'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Options of `pretrain`. API, command line and YAML use the same schema. */
export const pretrainSchema = z.strictObject({
  ...grouped('Training', { network: network('network to train', { needed: true, first: true }) }),
  ...training,
});

const matchingAll = methodNames.filter((method) => methodOf(method).pairs === 'all-to-all');
const perSource = '; one for all sources, or one for each';

/** Options of `transfer`. */
export const transferSchema = z.strictObject({
  ...grouped('Source', {
    source: repeated(
      path(
        'checkpoint',
        `pretrained network to learn from: ${checkpointForms}, or an ONNX file; repeat it for several`,
        {
          scope: 'input',
          fills: 'path',
          first: true,
          of: ({ source }) => source,
        },
      ),
    ),
    sourceNetwork: repeated(
      custom(
        z.union([writtenNetwork, z.literal('onnx')]),
        'name',
        `one of ${networkNames.join(', ')}; onnx of an ONNX file`,
        `the source's network, if its checkpoint does not show it${perSource}`,
        { fills: 'network', of: ({ source }) => source },
        [...networkNames, 'onnx'],
      ),
    ),
    sourceSize: repeated(
      whole(8, 1024, `side of the source's images, pixels (what its checkpoint says, else its network's)${perSource}`, {
        fills: 'size',
        of: ({ source }) => source,
      }),
    ),
    sourceWidth: repeated(
      above(0, 8, `the source's width, if its checkpoint does not say (1)${perSource}`, {
        fills: 'width',
        of: ({ source }) => source,
      }),
    ),
    sourceMaps: repeated(
      text(
        'names',
        'names of tensors, separated by commas',
        `the feature maps of an ONNX source, in order (chosen by the file's shapes; l2t-native inspect lists them)${perSource}`,
        { fills: 'maps', of: ({ source }) => source },
      ),
    ),
    sourceTokens: repeated(
      whole(0, 1024, `tokens before those of the image's patches in the maps of an ONNX source (found)${perSource}`, {
        fills: 'tokens',
        of: ({ source }) => source,
      }),
    ),
    sourceNormalisation: repeated(
      custom(
        writtenNormalisation,
        'how',
        `one of ${Object.keys(normalisations).join(', ')}, or six numbers, separated by commas: the means of red, green and blue and their deviations, which are above 0`,
        `how an ONNX source's images are normalised: a name, or the means and the deviations of red, green and blue (what the file says, else imagenet)${perSource}`,
        { fills: 'normalisation', of: ({ source }) => source },
        Object.keys(normalisations),
      ),
    ),
    sourceLicence: repeated(
      text('text', 'a text', `the source's licence, for the model card beside the result (not stated)${perSource}`, {
        fills: 'licence',
        // The weights that a method starts from have a licence, too.
        of: ({ source, start }) => source || start,
      }),
    ),
    sourceFinetune: custom(
      z.union([z.literal(true).transform(() => finetuneEpochs), z.int().min(1).max(1_000_000)]),
      'n',
      `a whole number from 1 to 1000000, or true for ${finetuneEpochs}`,
      `fine-tune each source on the training images first, for so many epochs (${finetuneEpochs} where no number is given), and learn from that network`,
      { bare: true, of: ({ source }) => source },
    ),
    shareSource: toggle(
      'fine-tune sources beside the run folder, as source-0-SEED, where runs with the same images and seed find them (in the run folder)',
      {
        scope: 'output',
        of: ({ source }) => source,
        refuses: ({ shareSource, sourceFinetune }) =>
          shareSource && sourceFinetune === undefined
            ? 'is about fine-tuned sources: give {sourceFinetune}, too.'
            : undefined,
      },
    ),
  }),
  ...grouped('Training', { target: network('network to train', { needed: true, first: true }) }),
  ...grouped('Method', {
    method: choice(methodNames, 'how to learn from the source', { default: 'l2t-ww', first: true }),
    pairs: repeated(
      text(
        'config',
        'all-to-all, one-to-one, single, or a list of source-target indices such as 4-0,9-1',
        `which features to match (all-to-all for ${matchingAll.join(', ')}; else one-to-one)${perSource}`,
        { fills: 'pairs', default: ({ method }) => methodOf(method as MethodName).pairs, of: ({ pairs }) => pairs },
      ),
    ),
    targetInit: path('checkpoint', `weights of the target's network to start from, ${checkpointForms} (the seed's)`, {
      scope: 'input',
    }),
    metaBatch: choice(
      metaBatches,
      "which training images judge the meta-networks: the step's own batch, or the next one of the epoch",
      { default: 'same', paper: 'same', of: ({ learns }) => learns.length > 0 },
    ),
    lambdaInit: choice(
      lambdaInits,
      "how λ's networks begin: with random weights, as in the paper, or so that λ is 1 for every pair and image (equal)",
      { default: 'paper', paper: 'paper', of: ({ learns }) => learns.includes('where') },
    ),
    metaInit: path('run', 'run folder whose meta-networks this run begins with: one with the same sources and pairs', {
      scope: 'input',
      of: ({ learns }) => learns.length > 0,
    }),
  }),
  ...grouped('Source', {
    strict: toggle('refuse checkpoints that hold entries which the network does not have', {
      default: false,
      scope: 'output',
    }),
  }),
  ...training,
  ...grouped('Data', {
    unlabelled: repeatedList(
      path(
        'dir|rest',
        'images without labels, which each step sees beside its labelled ones: a folder, a CSV or JSON-lines file or Parquet files (labels are not read), or rest: the training images that {perClass} leaves out; repeat it for several',
        {
          scope: 'input',
          words: [restName],
          of: ({ source }) => source,
          refuses: ({ unlabelled, perClass }) =>
            unlabelled?.includes(restName) && perClass === undefined
              ? 'is what {perClass} leaves: give it, or a folder of images'
              : undefined,
        },
      ),
    ),
  }),
  ...settings,
});

/** Limits on the network's cost; absent: no limit. */
const budget = {
  maxMs: above(0, 1e6, 'milliseconds that the network may take for an image, one at a time on one CPU thread', {
    first: true,
  }),
  maxParams: whole(1, 1e12, 'parameters that the network may have', { first: true }),
  maxMb: above(0, 1e6, "megabytes (10⁶ bytes) that the network's weights may take", { first: true }),
};

/** Options of `proposeOptions` that a person may know already. The others are proposed. */
export const proposeSchema = transferSchema
  .pick({
    data: true,
    layout: true,
    imageColumn: true,
    labelColumn: true,
    skipDamaged: true,
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
  })
  .extend(grouped('Training', budget));

/** Options of `init`. */
export const initSchema = proposeSchema.extend({
  out: path('file', 'YAML file to write, which must not exist', { default: 'l2t.yaml' }),
});

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };
const written = z
  .string()
  .regex(/^\d+(\.\d+)?[smh]?$/)
  .transform((text) => Number.parseFloat(text) * (secondsOf[text.at(-1) as string] ?? 1));

/** Options of `train`. */
export const trainSchema = transferSchema
  .pick({
    data: true,
    layout: true,
    imageColumn: true,
    labelColumn: true,
    classes: true,
    splitFile: true,
    skipDamaged: true,
    perClass: true,
    validation: true,
    cache: true,
    unlabelled: true,
    seed: true,
    device: true,
    threads: true,
    out: true,
  })
  .extend({
    ...grouped('Source', {
      source: path(
        'checkpoint',
        `pretrained network to fine-tune: ${checkpointForms}, or an ONNX file, which only teaches`,
        {
          scope: 'input',
          first: true,
        },
      ),
      fromScratch: toggle('train without a source', { default: false }),
    }),
    ...grouped('Training', {
      ...budget,
      time: custom(
        z.union([z.number(), written]).pipe(z.number().gte(1).lte(2_592_000)),
        'time',
        'seconds, or a number with s, m or h such as 30m, from 1 second to 720 hours',
        'how long all of it may take',
        { default: 1800, first: true },
      ),
      baseline: toggle('train the resulting smaller network from scratch, too, to compare', {
        default: true,
        off: 'do not train the resulting smaller network from scratch to compare',
      }),
    }),
  });

const ofAllMethods = transferSchema.omit({
  method: true,
  pairs: true,
  metaInit: true,
  seed: true,
  batchNorm: true,
  shareSource: true,
});

const classNames = path(
  'file',
  "names of the classes, UTF-8, one a line in the order of the outputs (the checkpoint's; ImageNet's for torchvision's networks with 1,000 classes)",
);

/** Options of `compare`: the options of `transfer` that are the same for every method, and the methods. */
export const compareSchema = ofAllMethods.extend({
  ...grouped('Method', {
    methods: listed(
      'list',
      `some of ${rowNames.join(', ')}, separated by commas; a method's pairs follow a colon, as in fm:all-to-all`,
      `methods to compare; finetune-source fine-tunes the first source's own network`,
      {
        default: 'scratch,fm,at,l2t-w,l2t-ww,finetune-source',
        paper:
          'scratch, lwf, at:one-to-one, lwf+at:one-to-one, fm:single, fm:one-to-one, l2t-w:single, l2t-w:one-to-one, l2t-ww:all-to-all',
        first: true,
      },
      rowNames,
    ),
    seeds: whole(1, 100, 'runs of each method, with seeds 0, 1, …', { default: 3, first: true }),
    with: repeatedList(
      path(
        'checkpoint',
        `network that is tested and timed beside the methods as it is: ${checkpointForms}, or an ONNX file; once for each`,
      ),
    ),
    classNames,
  }),
  ...grouped('Output', { reportRuns: toggle('make the report of each run, too, not of the whole alone') }),
  ...grouped('Where it runs', {
    parallel: whole(1, 64, 'runs side by side (as many as have their {threads} in cores, and memory; 1 on a GPU)'),
  }),
});

/** Options of `curve`: those of `compare`, with several numbers of images per class. */
export const curveSchema = compareSchema.omit({ with: true, classNames: true }).extend({
  ...grouped('Data', {
    perClass: listed(
      'list',
      'whole numbers separated by commas, such as 50,100,250',
      'training images a class; the table has a column for each number',
      { first: true },
    ),
  }),
});

/** Options of `reproduce`, which override those of the preset. */
export const reproduceSchema = curveSchema.omit({ source: true, targetInit: true }).extend({
  ...grouped('Source', {
    sourceWeights: repeated(
      path(
        'checkpoint',
        "the preset's pretrained source: safetensors or .pth; once for each source, in the order of l2t-native reproduce --list",
        { first: true },
      ),
    ),
  }),
});

const inference = {
  width: above(0, 8, "the network's width, if the checkpoint does not say (1)"),
  size: whole(8, 1024, "side of the network's images, pixels (what the checkpoint says, else its network's)"),
  batch: whole(1, 65_536, 'images at a time (256; 32 for sizes from 64)'),
  strict: toggle('refuse a checkpoint that holds entries which the network does not have'),
};

/** Options of `evaluate`. */
export const evaluateSchema = z.strictObject({
  network: network("the checkpoint's network, if it does not show it"),
  ...common,
  classNames,
  split: choice(splitNames, 'which images (test, or the folder itself if it is flat)'),
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
  checkpoint: path('checkpoint', `trained network: ${checkpointForms} (the first argument)`),
  network: network("the checkpoint's network, if it does not show it"),
  classNames,
  top: whole(1, 1_000_000, 'labels an image', { default: 5 }),
  stopOnError: toggle('end at the first image that cannot be read'),
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
  classNames,
  network: network("the checkpoint's network, if it does not show it"),
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
