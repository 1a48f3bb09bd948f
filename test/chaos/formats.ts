import { ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decodeImage } from '../../src/data/decode.js';
import { fitImage } from '../../src/data/fit.js';
import { prepareTrainingData } from '../../src/data/image-sets.js';
import { openDataset } from '../../src/data/load.js';
import { readWhole } from '../../src/data/reading.js';
import { readSplit } from '../../src/data/split-file.js';
import { checkData, Network, resume } from '../../src/index.js';
import { addon } from '../../src/native/addon.js';
import { isOwn } from '../../src/networks/checkpoint.js';
import { readMetadata } from '../../src/networks/weights/safetensors.js';
import type { Layout } from '../../src/options/datasets.js';
import { compareSchema, curveSchema, transferSchema } from '../../src/options/schemas.js';
import { yamlOptions } from '../../src/options/yaml.js';
import { inspectFile, inspectRun } from '../../src/report/inspect.js';
import { RunStore } from '../../src/store/run-store.js';
import { writeIdx } from '../data/generate.js';
import { writers } from '../data/layouts/writers.js';
import { legacyPth, zipPth } from '../networks/weights/pth-writer.js';
import { write } from '../tiny.js';
import * as bases from './damage/bases.js';
import { byteKinds, type Kinds, type Mutators } from './damage/bytes.js';
import { expectedLabels, labelFile } from './damage/parquet.js';
import { sealedMutators } from './damage/safetensors.js';
import { Draw } from './draw.js';

/** Reads the files as the package does, as far as it can. `file` is the damaged one. */
type Read = (file: string, draw: Draw, folder: string, bases: string) => Promise<unknown>;

/** One kind of file, or folder, that is read: its share of the tries, what writes small valid files, and what is damaged. */
export type Format = Readonly<{ weight: number; make: (folder: string) => unknown; read: Read; damaged: RegExp }>;
const row = (weight: number, make: Format['make'], read: Read, damaged = /./): Format => ({
  weight,
  make,
  read,
  damaged,
});

/** Reads a checkpoint, which must agree with its metadata and have values that the options allow. */
async function readWeights(file: string, draw: Draw): Promise<void> {
  const expectation = draw.once(2) ? {} : { network: bases.tinyNetwork.name, width: bases.tinyNetwork.width };
  if (draw.once(8)) {
    const loaded = await Network.load(file, { ...expectation, threads: 1, onWarning: () => {} });
    await loaded.predict([{ pixels: new Uint8Array(32 * 32 * 3).fill(100), height: 32, width: 32 }]);
    return;
  }
  const { network: found, format } = await inspectFile(file, expectation);
  if (found === undefined || format !== 'safetensors') return;
  const { size, classes } = found;
  ok(size >= 8 && size <= 1024, `images of ${size} pixels were taken`);
  const metadata = await readMetadata(file);
  const said = Number(metadata.get('classes') ?? classes);
  ok(!isOwn(metadata) || said === classes, `${classes} classes were taken where it says ${said}`);
}
const weights = (weight: number, make: Format['make']) => row(weight, make, readWeights);

/** Reads data as `data check` does, all images, or as `transfer` does, those that a run would train on. */
const data = (layout: Layout, weight: number, damaged?: RegExp, make = writers[layout]): Format => {
  const read: Read = async (_, draw, folder) => {
    const source = { data: folder, ...(draw.once(2) && { layout }) };
    if (!draw.once(4)) return checkData(source);
    const sizes = { size: draw.pick([8, 32, 64]), sourceSizes: [] };
    return prepareTrainingData({ ...source, ...sizes, seed: 1, skipDamaged: draw.once(2), validation: 0 });
  };
  return row(weight, make, read, damaged);
};

async function labelsOf(file: string): Promise<string[]> {
  const { train, classNames } = await openDataset(file);
  return [...(train?.labels ?? [])].map((label) => classNames[label] as string);
}

/** Reads labels that are whole numbers, and compares them with what was written. */
async function readNumbers(file: string): Promise<void> {
  const labels = String(await labelsOf(file));
  const expected = expectedLabels(readFileSync(file)) ?? labels;
  ok(expected === labels, `its labels are read as ${labels}, where they are ${expected}`);
}

/** Reads a list in JSON-lines: a class must have the name that stands in the file. */
async function readLines(file: string): Promise<void> {
  const text = readFileSync(file, 'utf8');
  for (const name of await labelsOf(file)) {
    const written = JSON.stringify(name);
    ok(text.includes(name) || text.includes(written.slice(1, -1)), `its class ${written} is not in it`);
  }
}

let network: Promise<Network> | undefined;
const readImage: Read = async (file, draw, folder, all) => {
  network ??= Network.load(join(all, 'checkpoint/resnet20.safetensors'), { threads: 1 });
  const way = draw.below(4);
  if (way === 0) return checkData({ data: folder, layout: 'folder' });
  if (way === 1) return (await network).predict([draw.once(2) ? file : await readWhole(file, 2 ** 24)]);
  const reduction = draw.pick([1, 3, 5] as const);
  const decoded = await decodeImage(file, way === 2 ? () => reduction : undefined);
  ok(decoded.pixels.length === decoded.height * decoded.width * 3, 'its pixels are not of its sides');
  return fitImage(decoded, draw.pick([32, 64, 224]), addon().resize, file);
};
const image = (weight: number, kind: Parameters<typeof bases.images>[1]) =>
  row(weight, (folder) => bases.images(folder, kind), readImage);
const readCache: Read = async (file, _, folder) => fitImage(await bases.cachedImage(folder), 32, addon().resize, file);

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
  // `inspect --json` prints the same.
  if (draw.once(2)) return JSON.stringify(await inspectRun(join(folder, 'run')));
  return basename(file) === 'split.json' ? readParts(file) : loadRun(file, draw, folder);
};

const schemas = { 'transfer.yaml': transferSchema, 'compare.yaml': compareSchema, 'curve.yaml': curveSchema };
const readYaml = async (file: string) => yamlOptions(schemas[basename(file) as keyof typeof schemas], file);

const lists = /\.txt$/;
export const formats: Readonly<Record<string, Format>> = {
  'zip .pth': weights(150, (folder) => bases.pthFiles(folder, zipPth)),
  'legacy .pth': weights(100, (folder) => bases.pthFiles(folder, legacyPth)),
  safetensors: weights(90, bases.tensorFiles),
  checkpoint: weights(90, bases.checkpoints),
  state: row(110, bases.begunRun, loadRun, /state/),
  'state resumed': row(15, bases.begunRun, resumeRun, /run\/(state|best|rate|.*jsonl)/),
  'new run resumed': row(10, bases.newRun, resumeRun, /run\//),
  'run folder': row(80, bases.finishedRun, readRun, /run\//),
  YAML: row(80, bases.optionFiles, readYaml),
  'JSON split': row(25, bases.splits, readParts, /json$/),
  "authors' split": row(45, bases.splits, (file) => readParts(file.replace(/-\w+$/, '')), /split-/),
  idx: data('idx', 30),
  'idx.gz': data('idx', 30, undefined, (folder) => writeIdx(folder, { compressed: true })),
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
  Parquet: data('parquet', 60),
  'Parquet labels': row(30, (folder) => write(folder, 'labels.parquet', labelFile(new Draw(0))), readNumbers),
  list: data('list', 20, /csv$/),
  'JSON-lines list': row(30, bases.jsonLines, readLines, /jsonl$/),
  PNG: image(60, 'png'),
  JPEG: image(60, 'jpeg'),
  WebP: image(60, 'webp'),
  GIF: image(40, 'gif'),
  AVIF: image(40, 'avif'),
  'image cache': row(15, bases.cache, readCache, /entries/),
};

const modules = ['safetensors', 'pth', 'parquet', 'text', 'packed', 'images'].map(
  (name) => import(`./damage/${name}.js`),
);
const kinds = Object.assign({}, ...(await Promise.all(modules)).map((module) => module.kinds), { '': {} }) as Kinds;
/** All but a state that is resumed may be damaged byte by byte: with a wrong hash it would be refused before. */
const all = Object.entries(kinds).map(([pattern, own]): [RegExp, Mutators] => {
  return [new RegExp(pattern), own === sealedMutators ? own : { ...byteKinds, ...own }];
});

export function mutatorsOf(format: string, name: string, bytes: Buffer): Mutators {
  // Stanford's and CUB's pictures are called .jpg here, but are PNG.
  const path = `${format}/${bytes.toString('latin1', 1, 4) === 'PNG' ? 'x.png' : name}`;
  return all.find(([pattern]) => pattern.test(path))?.[1] as Mutators;
}
