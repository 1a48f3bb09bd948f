import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { checkData } from '../../src/data/check.js';
import { decodeImage } from '../../src/data/decode.js';
import { fitImage } from '../../src/data/fit.js';
import { prepareTrainingData } from '../../src/data/image-sets.js';
import { openDataset } from '../../src/data/load.js';
import { readWhole } from '../../src/data/reading.js';
import { readSplit } from '../../src/data/split-file.js';
import { Network } from '../../src/inference/network.js';
import { addon } from '../../src/native/addon.js';
import { isOwn } from '../../src/networks/checkpoint.js';
import { readMetadata } from '../../src/networks/weights/safetensors.js';
import type { Layout } from '../../src/options/datasets.js';
import { yamlOptions } from '../../src/options/options-file.js';
import { compareSchema, curveSchema, transferSchema } from '../../src/options/schemas.js';
import { inspectFile, inspectRun } from '../../src/report/inspect.js';
import { resume } from '../../src/run/resume.js';
import { RunStore } from '../../src/store/run-store.js';
import { cachedImage, tinyNetwork } from './damage/bases.js';
import { byteMutators, type Mutators } from './damage/bytes.js';
import { avifMutators, gifMutators, jpegMutators, pngMutators, webpMutators } from './damage/images.js';
import { gzMutators, idxMutators, matMutators } from './damage/packed.js';
import { expectedLabels, parquetMutators } from './damage/parquet.js';
import { legacyMutators, zipMutators } from './damage/pth.js';
import { safetensorsMutators, sealedMutators } from './damage/safetensors.js';
import { jsonLinesMutators, jsonMutators, textMutators, yamlMutators } from './damage/text.js';
import type { Draw } from './draw.js';

/** Reads the files as the package does, as far as it can. `file` is the damaged one. */
type Read = (file: string, draw: Draw, folder: string, bases: string) => Promise<unknown>;

/** One kind of file, or folder, that is read: its share of the tries, and how it is read. */
export interface Format {
  readonly weight: number;
  readonly read: Read;
  /** Its folder, below the folder of valid files. */
  readonly folder: string;
  /** Only these of its files are damaged. */
  readonly damaged: RegExp;
}

const format = (weight: number, folder: string, read: Read, damaged = /./): Format => ({
  weight,
  folder,
  read,
  damaged,
});

/** What was read of a checkpoint must be what its metadata says, and something that the options could say. */
async function readWeights(file: string, draw: Draw): Promise<void> {
  const given = draw.once(2) ? {} : { network: tinyNetwork.name, width: tinyNetwork.width };
  if (draw.once(8)) {
    const loaded = await Network.load(file, { ...given, threads: 1, onWarning: () => {} });
    await loaded.predict([{ pixels: new Uint8Array(32 * 32 * 3).fill(100), height: 32, width: 32 }]);
    return;
  }
  const { network: found, format } = await inspectFile(file, given);
  if (found === undefined || format !== 'safetensors') return;
  const { size, classes } = found;
  if (size < 8 || size > 1024) throw new Error(`images of ${size} pixels were taken`);
  const metadata = await readMetadata(file);
  const said = Number(metadata.get('classes') ?? classes);
  if (isOwn(metadata) && said !== classes) throw new Error(`${classes} classes were taken where it says ${said}`);
}
const weights = (weight: number, kind: string): Format => format(weight, `weights/${kind}`, readWeights);

/** Reads data as `data check` does, all images, or as `transfer` does, those that a run would train on. */
const data = (weight: number, layout: Layout, damaged?: RegExp, folder: string = layout): Format =>
  format(
    weight,
    folder,
    async (_file, draw, path) => {
      const source = { data: path, ...(draw.once(2) && { layout }) };
      if (!draw.once(4)) return checkData(source);
      const sizes = { size: draw.pick([8, 32, 64]), sourceSizes: [] };
      return prepareTrainingData({ ...source, ...sizes, seed: 1, skipDamaged: draw.once(2), validation: 0 });
    },
    damaged,
  );

/** The labels in a data set that is one file, by image. */
async function labelsOf(file: string): Promise<string[]> {
  const { train, classNames } = await openDataset(file);
  return [...(train?.labels ?? [])].map((label) => classNames[label] as string);
}

/** Reads labels that are whole numbers, and compares them with what was written. */
async function readNumbers(file: string): Promise<void> {
  const labels = String(await labelsOf(file));
  const expected = expectedLabels(readFileSync(file)) ?? labels;
  if (expected !== labels) throw new Error(`its labels are read as ${labels}, where they are ${expected}`);
}

/** Reads a list in JSON-lines: a class must have the name that stands in the file. */
async function readLines(file: string): Promise<void> {
  const text = readFileSync(file, 'utf8');
  for (const name of await labelsOf(file))
    if (!text.includes(name) && !text.includes(JSON.stringify(name).slice(1, -1)))
      throw new Error(`its class ${JSON.stringify(name)} is not in it`);
}

let network: Promise<Network> | undefined;
const image = (weight: number, kind: string): Format =>
  format(weight, `images/${kind}`, async (file, draw, folder, bases) => {
    network ??= Network.load(join(bases, 'weights/checkpoint/resnet20.safetensors'), { threads: 1 });
    const way = draw.below(4);
    if (way === 0) return checkData({ data: folder, layout: 'folder' });
    if (way === 1) return (await network).predict([draw.once(2) ? file : await readWhole(file, 2 ** 24)]);
    const reduction = draw.pick([1, 3, 5] as const);
    const decoded = await decodeImage(file, way === 2 ? () => reduction : undefined);
    const { pixels, height, width } = decoded;
    if (pixels.length !== height * width * 3) throw new Error('its pixels are not of its sides');
    return fitImage(decoded, draw.pick([32, 64, 224]), addon().resize, file);
  });

/** Reads the state and the files beside it, as a resume does. */
async function loadRun(_file: string, _draw: Draw, folder: string): Promise<void> {
  const opened = await RunStore.open(join(folder, 'run'), { onWarning: () => {} });
  await opened.use(() => opened.load());
}

/** Resumes until the first step, epoch or rate event: by then the run has read everything. */
async function resumeRun(_file: string, _draw: Draw, folder: string): Promise<void> {
  const stopping = new AbortController();
  const run = resume(join(folder, 'run'), { threads: 1, device: 'cpu', signal: stopping.signal });
  run.result.catch(() => {});
  for await (const { type } of run) if (['step', 'epoch', 'rate'].includes(type)) stopping.abort();
  await run.result;
}

/** The parts of a data set that a split is checked against. */
const counts = { train: { count: 6 }, test: { count: 2 }, classNames: ['0', '1', '2'] };
const readParts = (file: string) => readSplit(file, counts as unknown as Parameters<typeof readSplit>[1]);

const readRun: Read = async (file, draw, folder) => {
  // As `inspect --json` prints it.
  if (draw.once(2)) return JSON.stringify(await inspectRun(join(folder, 'run')));
  return basename(file) === 'split.json' ? readParts(file) : loadRun(file, draw, folder);
};

const schemas = { 'transfer.yaml': transferSchema, 'compare.yaml': compareSchema, 'curve.yaml': curveSchema };
const readYaml = async (file: string) => yamlOptions(schemas[basename(file) as keyof typeof schemas], file);

const lists = /\.txt$/;

export const formats: Readonly<Record<string, Format>> = {
  'zip .pth': weights(150, 'zip'),
  'legacy .pth': weights(100, 'legacy'),
  safetensors: weights(90, 'safetensors'),
  checkpoint: weights(90, 'checkpoint'),
  state: format(110, 'runs/begun', loadRun, /state/),
  'state resumed': format(15, 'runs/begun', resumeRun, /state|best|rate|jsonl/),
  'new run resumed': format(10, 'runs/new', resumeRun),
  'run folder': format(80, 'runs/finished', readRun),
  YAML: format(80, 'yaml', readYaml),
  'JSON split': format(25, 'splits', readParts, /json$/),
  "authors' split": format(45, 'splits', (file) => readParts(file.replace(/-\w+$/, '')), /split-/),
  idx: data(30, 'idx'),
  'idx.gz': data(30, 'idx', /gz$/, 'idx-gz'),
  cifar10: data(10, 'cifar10'),
  cifar100: data(10, 'cifar100'),
  svhn: data(40, 'svhn'),
  stl10: data(10, 'stl10'),
  'stanford-dogs': data(40, 'stanford-dogs', /mat$/),
  cub200: data(20, 'cub200', lists),
  mit67: data(15, 'mit67', lists),
  stanford40: data(15, 'stanford40', lists),
  tinyimagenet: data(15, 'tinyimagenet', lists),
  imagenet: data(10, 'imagenet'),
  folder: data(10, 'folder'),
  Parquet: data(60, 'parquet', /parquet$|json$/),
  'Parquet labels': format(30, 'parquet-labels', readNumbers),
  list: data(20, 'list', /csv$/),
  'JSON-lines list': format(30, 'list-lines', readLines, /jsonl$/),
  PNG: image(60, 'png'),
  JPEG: image(60, 'jpeg'),
  WebP: image(60, 'webp'),
  GIF: image(40, 'gif'),
  AVIF: image(40, 'avif'),
  'image cache': format(
    15,
    'cache',
    async (file, _, folder) => fitImage(await cachedImage(folder), 32, addon().resize, file),
    /entries/,
  ),
};

/** Mutators by the format and a file's path below its folder. */
const kinds: readonly (readonly [path: RegExp, mutators: Mutators])[] = [
  [/^state resumed.*safetensors$/, sealedMutators],
  [/^safetensors/, safetensorsMutators],
  [/safetensors$/, { ...safetensorsMutators, ...sealedMutators }],
  [/\bzip\b/, zipMutators],
  [/\blegacy\b/, legacyMutators],
  [/^Parquet labels/, parquetMutators],
  [/\.yaml$/, yamlMutators],
  [/\.jsonl$/, jsonLinesMutators],
  [/\.json$/, jsonMutators],
  [/\.(txt|csv)$/, textMutators],
  [/\.mat$/, matMutators],
  [/\.gz$/, gzMutators],
  [/ubyte$/, idxMutators],
  [/\.jpe?g$/i, jpegMutators],
  [/\.png$/, pngMutators],
  [/\.webp$/, webpMutators],
  [/\.gif$/, gifMutators],
  [/\.avif$/, avifMutators],
];

const all = [...kinds, [/./, {}] as const].map(([path, mutators]): (typeof kinds)[number] => {
  // A state with a wrong hash is refused before it is resumed.
  return [path, mutators === sealedMutators ? mutators : { ...byteMutators, ...mutators }];
});

/** The mutators for a file of a format. `name` is its path below the format's folder. */
export function mutatorsOf(format: string, name: string, bytes: Buffer): Mutators {
  // Stanford's and CUB's pictures are called .jpg here, but are PNG.
  const path = `${format}/${bytes.toString('latin1', 1, 4) === 'PNG' ? 'x.png' : name}`;
  return all.find(([pattern]) => pattern.test(path))?.[1] as Mutators;
}
