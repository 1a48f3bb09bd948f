import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { checkData } from '../../src/data/check.js';
import type { Dataset, ImageList } from '../../src/data/dataset.js';
import { decodeImage } from '../../src/data/decode.js';
import { fitImage } from '../../src/data/fit.js';
import { prepareTrainingData } from '../../src/data/image-sets.js';
import { openDataset } from '../../src/data/load.js';
import { readWhole } from '../../src/data/reading.js';
import { readSplit } from '../../src/data/split-file.js';
import { Network } from '../../src/inference/network.js';
import { addon } from '../../src/native/addon.js';
import { isOwn } from '../../src/networks/checkpoint.js';
import { hasHash } from '../../src/networks/weights/content-hash.js';
import { parseSafetensors, readMetadata } from '../../src/networks/weights/safetensors.js';
import type { Layout } from '../../src/options/datasets.js';
import { yamlOptions } from '../../src/options/options-file.js';
import { compareSchema, curveSchema, transferSchema } from '../../src/options/schemas.js';
import { type FileReport, inspectFile, inspectRun } from '../../src/report/inspect.js';
import { resume } from '../../src/run/resume.js';
import { RunStore } from '../../src/store/run-store.js';
import { cachedImage, tinyNetwork } from './damage/bases.js';
import { byteMutators } from './damage/bytes.js';
import type { Draw, Mutators } from './damage/draw.js';
import { avifMutators, gifMutators, jpegMutators, pngMutators, webpMutators } from './damage/images.js';
import { gzMutators, idxMutators, matMutators } from './damage/packed.js';
import { expectedLabels, parquetMutators } from './damage/parquet.js';
import { legacyMutators } from './damage/pickle.js';
import { safetensorsMutators, sealedMutators } from './damage/safetensors.js';
import { textMutators } from './damage/text.js';
import { jsonLinesMutators, jsonMutators, yamlMutators } from './damage/tree.js';
import { zipMutators } from './damage/zip.js';

/** One kind of file, or folder, that is read. */
export interface Format {
  /** Its share of the tries. */
  readonly weight: number;
  /** Its folder, below the folder of valid files. Any file in it that matches `damaged` may be damaged. */
  readonly folder: string;
  readonly damaged?: RegExp;
  /** True if reading changes the folder, too. */
  readonly written?: boolean;
  /** Reads the files as the package does, as far as it can. `file` is the damaged one. */
  readonly read: (folder: string, file: string, draw: Draw) => Promise<unknown>;
}

let network: Promise<Network> | undefined;
/** The network that classifies decoded images. */
const ownNetwork = (folder: string): Promise<Network> => {
  network ??= Network.load(join(dirname(folder), 'weights/checkpoint/resnet20.safetensors'), { threads: 1 });
  return network;
};

/** What was read of a checkpoint must be what its metadata says, and something that the options could say. */
async function requireAgreement(file: string, { network: found, format }: FileReport): Promise<void> {
  if (found === undefined || format !== 'safetensors') return;
  const { size, classes } = found;
  if (size < 8 || size > 1024) throw new Error(`images of ${size} pixels were taken`);
  const metadata = await readMetadata(file);
  const said = Number(metadata.get('classes') ?? classes);
  if (isOwn(metadata) && said !== classes) throw new Error(`${classes} classes were taken where it says ${said}`);
}

async function readWeights(_folder: string, file: string, draw: Draw): Promise<void> {
  const given = draw.once(2) ? {} : { network: tinyNetwork.name, width: tinyNetwork.width };
  if (!draw.once(8)) return requireAgreement(file, await inspectFile(file, given));
  const loaded = await Network.load(file, { ...given, threads: 1, onWarning: () => {} });
  await loaded.predict([{ pixels: new Uint8Array(32 * 32 * 3).fill(100), height: 32, width: 32 }]);
}

const weights = (kind: string, weight: number): Format => ({ weight, folder: `weights/${kind}`, read: readWeights });

/** Reads data as `data check` does, all images, or as `transfer` does, those that a run would train on. */
async function readData(folder: string, layout: Layout, draw: Draw): Promise<void> {
  const asked = draw.once(2) ? { layout } : {};
  if (!draw.once(4)) return void (await checkData({ data: folder, ...asked }));
  await prepareTrainingData({
    data: folder,
    ...asked,
    seed: 1,
    size: draw.pick([8, 32, 64]),
    sourceSizes: [],
    skipDamaged: draw.once(2),
    validation: 0,
  });
}

const data = (layout: Layout, weight: number, damaged?: RegExp, folder: string = layout): Format => ({
  weight,
  folder,
  ...(damaged && { damaged }),
  read: (path, _file, draw) => readData(path, layout, draw),
});

/** The labels in a data set that is one file, by image. */
async function labelsOf(file: string): Promise<string[]> {
  const { train, classNames } = await openDataset(file);
  return [...(train?.labels ?? [])].map((label) => classNames[label] as string);
}

/** Reads labels that are whole numbers, and compares them with what was written. */
async function readNumbers(_folder: string, file: string): Promise<void> {
  const labels = await labelsOf(file);
  const expected = expectedLabels(readFileSync(file));
  if (expected === 'refused') throw new Error('it is read, although what it announces or holds cannot be right');
  if (expected && String(expected) !== String(labels)) throw new Error(`its labels are read as ${labels}`);
}

/** Reads a list in JSON-lines: a class must have the name that stands in the file. */
async function readLines(_folder: string, file: string): Promise<void> {
  const names = new Set(await labelsOf(file));
  const text = readFileSync(file, 'utf8');
  for (const name of names) {
    const written = JSON.stringify(name);
    if (!text.includes(name) && !text.includes(written.slice(1, -1)))
      throw new Error(`its class ${written} is not in it`);
  }
}

/** The file's path, or its bytes. */
async function input(file: string, draw: Draw): Promise<string | Uint8Array> {
  if (draw.once(2)) return file;
  return readWhole(file, 2 ** 24);
}

async function readImage(folder: string, file: string, draw: Draw): Promise<void> {
  const way = draw.below(4);
  if (way === 0) return void (await checkData({ data: folder, layout: 'folder' }));
  if (way === 1) return void (await (await ownNetwork(dirname(folder))).predict([await input(file, draw)]));
  const reduction = draw.pick([1, 3, 5] as const);
  const image = await decodeImage(file, way === 2 ? () => reduction : undefined);
  if (image.pixels.length !== image.height * image.width * 3) throw new Error('its pixels are not of its sides');
  await fitImage(image, draw.pick([32, 64, 224]), addon().resize, file);
}

const image = (kind: string, weight: number): Format => ({ weight, folder: `images/${kind}`, read: readImage });

/** Reads the state and the files beside it, as a resume does. */
async function loadRun(folder: string): Promise<void> {
  const opened = await RunStore.open(join(folder, 'run'), { onWarning: () => {} });
  await opened.use(() => opened.load());
}

/** Resumes until the first step, epoch or rate event: by then the run has read everything. */
async function resumeRun(folder: string): Promise<void> {
  const stopping = new AbortController();
  const run = resume(join(folder, 'run'), { threads: 1, device: 'cpu', signal: stopping.signal });
  run.result.catch(() => {});
  for await (const { type } of run) if (type === 'step' || type === 'epoch' || type === 'rate') stopping.abort();
  await run.result;
}

async function readRun(folder: string, file: string, draw: Draw): Promise<void> {
  // As `inspect --json` prints it.
  if (draw.once(2)) return void JSON.stringify(await inspectRun(join(folder, 'run')));
  await (basename(file) === 'split.json' ? readSplit(file, ofSplits) : loadRun(folder));
}

/** The parts of a data set that a split is checked against. */
const ofSplits = { train: { count: 6 }, test: { count: 2 }, classNames: ['0', '1', '2'] } as unknown as Dataset & {
  train: ImageList;
};

const schemas = { 'transfer.yaml': transferSchema, 'compare.yaml': compareSchema, 'curve.yaml': curveSchema };

const lists = /\.txt$/;

export const formats: Readonly<Record<string, Format>> = {
  'zip .pth': weights('zip', 150),
  'legacy .pth': weights('legacy', 100),
  safetensors: weights('safetensors', 90),
  checkpoint: weights('checkpoint', 90),
  state: { weight: 110, folder: 'runs/begun', damaged: /state/, written: true, read: loadRun },
  'state resumed': {
    weight: 15,
    folder: 'runs/begun',
    damaged: /state|best|rate|jsonl/,
    written: true,
    read: resumeRun,
  },
  'new run resumed': { weight: 10, folder: 'runs/new', written: true, read: resumeRun },
  'run folder': { weight: 80, folder: 'runs/finished', written: true, read: readRun },
  YAML: {
    weight: 80,
    folder: 'yaml',
    read: (_folder, file) => yamlOptions(schemas[basename(file) as keyof typeof schemas], file),
  },
  'JSON split': { weight: 25, folder: 'splits', damaged: /json$/, read: (_folder, file) => readSplit(file, ofSplits) },
  "authors' split": {
    weight: 45,
    folder: 'splits',
    damaged: /split-/,
    read: (_folder, file) => readSplit(file.replace(/-\w+$/, ''), ofSplits),
  },
  idx: data('idx', 30),
  'idx.gz': data('idx', 30, /gz$/, 'idx-gz'),
  cifar10: data('cifar10', 10),
  cifar100: data('cifar100', 10),
  svhn: data('svhn', 40),
  stl10: data('stl10', 10),
  'stanford-dogs': data('stanford-dogs', 40, /mat$/),
  cub200: data('cub200', 20, lists),
  mit67: data('mit67', 15, lists),
  stanford40: data('stanford40', 15, lists),
  tinyimagenet: data('tinyimagenet', 15, lists),
  imagenet: data('imagenet', 10),
  folder: data('folder', 10),
  Parquet: data('parquet', 60, /parquet$|json$/),
  'Parquet labels': { weight: 30, folder: 'parquet-labels', read: readNumbers },
  list: data('list', 20, /csv$/),
  'JSON-lines list': { weight: 30, folder: 'list-lines', damaged: /jsonl$/, read: readLines },
  PNG: image('png', 60),
  JPEG: image('jpeg', 60),
  WebP: image('webp', 60),
  GIF: image('gif', 40),
  AVIF: image('avif', 40),
  'image cache': {
    weight: 15,
    folder: 'cache',
    damaged: /entries/,
    written: true,
    read: async (folder, file) => fitImage(await cachedImage(folder), 32, addon().resize, file),
  },
};

/** The mutators for a kind of file. `name` is its path below the format's folder. */
export function mutatorsOf(format: string, name: string, bytes: Uint8Array): Mutators {
  if (name.endsWith('.safetensors')) {
    if (format === 'state resumed') return sealedMutators;
    return format === 'safetensors' ? safetensorsMutators : { ...safetensorsMutators, ...sealedMutators };
  }
  if (name.startsWith('zip/') || format === 'zip .pth') return zipMutators;
  if (name.startsWith('legacy/') || format === 'legacy .pth') return legacyMutators;
  const byEnding: readonly [ending: RegExp, mutators: Mutators][] = [
    [/^labels\.parquet$/, parquetMutators],
    [/\.yaml$/, yamlMutators],
    [/\.jsonl$/, jsonLinesMutators],
    [/\.json$/, jsonMutators],
    [/\.(txt|csv)$/, textMutators],
    [/\.mat$/, matMutators],
    [/\.gz$/, gzMutators],
    [/ubyte$/, idxMutators],
    [/\.png$/, pngMutators],
    // Stanford's and CUB's pictures are called .jpg here, but are PNG.
    [/\.jpe?g$/i, bytes[0] === 0xff ? jpegMutators : pngMutators],
    [/\.webp$/, webpMutators],
    [/\.gif$/, gifMutators],
    [/\.avif$/, avifMutators],
  ];
  return byEnding.find(([ending]) => ending.test(name))?.[1] ?? byteMutators;
}

/** Does the file have a checksum of its content, so that no single bit flip may pass? */
export function hasChecksum(name: string, bytes: Uint8Array): boolean {
  return name.endsWith('.safetensors') && hasHash(parseSafetensors(bytes, name).metadata);
}
