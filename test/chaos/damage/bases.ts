import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { stringify } from 'yaml';
import { imageFiles } from '../../../src/data/dataset.js';
import { ImageCache } from '../../../src/data/image-cache.js';
import { addon } from '../../../src/native/addon.js';
import { saveCheckpoint } from '../../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { imagenetNormalisation } from '../../../src/options/networks.js';
import { transfer } from '../../../src/run/transfer.js';
import { cifarVariants, encode, pattern, write, writeCifar, writeClasses, writeIdx } from '../../data/generate.js';
import * as layouts from '../../fixtures/layouts.js';
import { writeParquet } from '../../fixtures/parquet.js';
import { dict, int, list, stateDict } from '../../networks/weights/pickle-writer.js';
import { type FixtureStorage, floatStorage, legacyPth, tensor, zipPth } from '../../networks/weights/pth-writer.js';
import { tinyData, tinyOptions, tinySource } from '../../tiny.js';
import { parquetOf, soundLabels } from './parquet.js';

export const tinyNetwork = { name: 'resnet20', classes: 3, width: 1 / 16 } as const;

/** Writes small valid files of every format that is read, below `folder`. */
export async function writeBases(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  await writeWeights(at('weights'));
  await writeRuns(folder);
  await writeImages(at('images'));
  writeIdx(at('idx'));
  writeIdx(at('idx-gz'), { compressed: true });
  for (const variant of cifarVariants) writeCifar(at(variant.layout), variant);
  layouts.writeSvhn(at('svhn'), { compressed: false });
  layouts.writeStl10(at('stl10'));
  await layouts.writeTinyImagenet(at('tinyimagenet'));
  await layouts.writeImagenet(at('imagenet'));
  await layouts.writeCub200(at('cub200'));
  await layouts.writeMit67(at('mit67'));
  await layouts.writeStanford40(at('stanford40'));
  await layouts.writeStanfordDogs(at('stanford-dogs'));
  await writeClasses(at('folder/train'), { left: 2, right: 2 });
  await writeClasses(at('folder/test'), { left: 1, right: 1 });
  await writeTables(at('parquet'));
  write(at('parquet-labels/labels.parquet'), parquetOf(soundLabels));
  await writeLists(at('list'), at('list-lines'));
  writeOptions(at('yaml'));
  const numbers = (...values: number[]) => list(...values.map(int));
  const split = { train: [0, 2, 4, 5], validation: [1, 3], test: [0, 1] };
  write(at('splits/split.json'), JSON.stringify(split));
  // The authors' pickles of classes and images.
  for (const [ending, images] of Object.entries({ train: split.train, val: split.validation, test: split.test })) {
    const object = list(numbers(0, 1, 2), numbers(...images));
    write(at(`splits/zip/split-${ending}`), zipPth(object, []));
    write(at(`splits/legacy/split-${ending}`), legacyPth(object, []));
  }
  // An image, and its entry in a cache of resized images.
  cpSync(at('images/png/a/rgb.png'), at('cache/rgb.png'));
  await cachedImage(at('cache'));
}

export function cachedImage(folder: string) {
  const cache = new ImageCache(join(folder, 'entries'), addon().resize, undefined);
  return cache.list(imageFiles(folder, ['rgb.png'], [0]), 8).read(0);
}

/** A file to train on of each compression that is read, and one to test. */
async function writeTables(folder: string): Promise<void> {
  const names = ['left', 'right'];
  const images = await Promise.all([0, 1, 2, 3, 4].map((seed) => encode(pattern(seed, 8), 8, 8, 'png')));
  const rows = [0, 1, 2, 3, 4].map((k) => ({ bytes: images[k], path: `${k}.png`, label: k % 2 }));
  for (const [k, codec] of ['uncompressed', 'snappy', 'zstd', 'gzip'].entries())
    await writeParquet(join(folder, `data/train-0000${k}-of-00004.parquet`), rows.slice(k, k + 2), { names, codec });
  await writeParquet(join(folder, 'data/test.parquet'), rows.slice(0, 2), { names, note: undefined });
  const features = { image: { _type: 'Image' }, label: { names, _type: 'ClassLabel' } };
  write(join(folder, 'dataset_info.json'), JSON.stringify({ features }));
}

/** Two classes of three images: in CSV, one of them to test; in JSON-lines, with texts and numbers as labels. */
async function writeLists(csv: string, lines: string): Promise<void> {
  const all = (labels: readonly (string | number)[]) =>
    labels.flatMap((label) =>
      [0, 1, 2].map((k) => ({ file: `pictures/${label}/${k}.png`, label, split: k === 2 ? 'test' : 'train' })),
    );
  await writeClasses(join(csv, 'pictures'), { left: 3, right: 3 });
  await writeClasses(join(lines, 'pictures'), { 7: 3, right: 3 });
  const rows = all(['left', 'right']).map((row) => `${Object.values(row)}\n`);
  write(join(csv, 'images.csv'), `file,label,split\n${rows.join('')}`);
  const objects = all([7, 'right']).map(({ split: _, ...row }) => `${JSON.stringify(row)}\n`);
  write(join(lines, 'images.jsonl'), objects.join(''));
}

async function writeWeights(folder: string): Promise<void> {
  const entries = addon().initialise(tinyNetwork, 1);
  const storages = entries.map(({ data }, key): FixtureStorage => {
    return { type: 'FloatStorage', key: String(key), size: data.length / 4, data };
  });
  const named = entries.map(
    ({ name, shape }, k) => [`module.${name}`, tensor(storages[k] as FixtureStorage, shape)] as const,
  );
  const milestones = list(int(60), int(80));
  const whole = dict([
    ['epoch', int(3)],
    ['state_dict', stateDict(named)],
    ['milestones', milestones],
  ]);
  const shared = floatStorage('0', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const views = stateDict([
    ['fc.weight', tensor(shared, [4, 3], { strides: [1, 4] })],
    ['fc.bias', tensor(shared, [4], { offset: 8 })],
    ['wide', tensor(shared, [2, 50, 2], { strides: [4, 0, 1] })],
  ]);
  for (const [name, object, held] of [
    ['whole', whole, storages],
    ['views', views, [shared]],
  ] as const) {
    write(join(folder, `zip/${name}.pth`), zipPth(object, held));
    write(join(folder, `legacy/${name}.pth`), legacyPth(object, held));
  }
  for (const name of ['safetensors', 'checkpoint']) mkdirSync(join(folder, name));
  const tensors = new Map(entries.map(({ name, ...entry }) => [name, entry]));
  await writeSafetensors(join(folder, 'safetensors/whole.safetensors'), tensors);
  const few = new Map([...tensors].filter(([name]) => name.startsWith('fc.') || name.includes('layer1.0.bn1')));
  await writeSafetensors(join(folder, 'safetensors/few.safetensors'), few, new Map([['format', 'pt']]));
  const about = { size: 32, classNames: ['left', 'middle', 'right'], normalisation: imagenetNormalisation };
  for (const name of ['resnet20', 'vgg9_bn'] as const) {
    const network = { ...tinyNetwork, name };
    const weights = addon().initialise(network, 1);
    await saveCheckpoint(join(folder, `checkpoint/${name}.safetensors`), { ...about, network, weights });
  }
}

/** Writes a finished run, one with an epoch left, one without a state, and the data and the source that they name. */
async function writeRuns(folder: string): Promise<void> {
  const made = { data: tinyData(4), source: await tinySource({ width: 1 / 16 }) };
  const [data, source] = [join(folder, 'run-data'), join(folder, 'run-source.safetensors')];
  cpSync(made.data, data, { recursive: true });
  cpSync(made.source, source);
  for (const path of [made.data, dirname(made.source)]) rmSync(path, { recursive: true });
  const options = { ...tinyOptions, data, source, width: 1 / 16, validation: 1 };
  await transfer({ ...options, out: join(folder, 'runs/finished/run'), lr: 'auto' }).result;
  const stopping = new AbortController();
  const run = transfer({ ...options, out: join(folder, 'runs/begun/run'), signal: stopping.signal });
  for await (const { type } of run) if (type === 'epoch') stopping.abort();
  await run.result.catch(() => {});
  for (const name of ['options.yaml', 'split.json'])
    cpSync(join(folder, 'runs/begun/run', name), join(folder, 'runs/new/run', name));
}

async function writeImages(folder: string): Promise<void> {
  const [height, width] = [12, 17];
  const rgb = () => sharp(pattern(1, height, width), { raw: { height, width, channels: 3 } });
  const rgba = (seed: number) => sharp(pattern(seed, height, width, 4), { raw: { height, width, channels: 4 } });
  const pages = { raw: { height: 2 * height, width, channels: 3 as const, pageHeight: height } };
  const moving = () => sharp(pattern(4, 2 * height, width), pages);
  const images: Readonly<Record<string, Sharp>> = {
    'png/a/rgb.png': rgb().png(),
    'png/a/rgba.png': rgba(2).png(),
    'png/a/grey16.png': rgb().toColourspace('grey16').png(),
    'png/b/palette.png': rgb().png({ palette: true, colours: 16 }),
    'png/b/interlaced.png': rgb().png({ progressive: true }),
    'jpeg/a/rgb.jpg': rgb().jpeg(),
    'jpeg/a/progressive.jpg': rgb().jpeg({ progressive: true }),
    'jpeg/b/cmyk.jpg': rgb().toColourspace('cmyk').jpeg(),
    'jpeg/b/grey.jpg': rgb()
      .greyscale()
      .withExif({ IFD0: { Copyright: 'none' } })
      .jpeg(),
    'webp/a/lossy.webp': rgb().webp(),
    'webp/a/lossless.webp': rgb().webp({ lossless: true }),
    'webp/b/alpha.webp': rgba(3).webp(),
    'webp/b/moving.webp': moving().webp({ loop: 0, delay: [100, 100] }),
    'gif/a/still.gif': rgb().gif(),
    'gif/a/grey.gif': rgb().greyscale().gif(),
    'gif/b/few.gif': rgb().gif({ colours: 4 }),
    'gif/b/moving.gif': moving().gif({ loop: 0, delay: [100, 100] }),
    'avif/a/lossy.avif': rgb().avif(),
    'avif/a/turned.avif': rgb().withMetadata({ orientation: 6 }).avif({ lossless: true }),
    'avif/b/grey.avif': rgb().greyscale().avif(),
    'avif/b/alpha.avif': rgba(3).avif({ bitdepth: 10 }),
  };
  for (const [name, image] of Object.entries(images)) write(join(folder, name), await image.toBuffer());
}

/** Each file is named after its verb. */
function writeOptions(folder: string): void {
  const shared = { data: 'data', target: 'vgg9_bn', epochs: 3, batch: 16, lr: 'auto', width: 0.5, validation: 0.1 };
  const one = { ...shared, source: 'a.pth', pairs: '8-3,5-1', innerSteps: 2, beta: 0.5, strict: true, seed: 1 };
  const sources = { source: ['a.pth', 'b.pth'], sourceNetwork: ['resnet32'] };
  const all = { ...shared, ...sources, methods: 'scratch,fm,l2t-ww', seeds: 3 };
  write(join(folder, 'transfer.yaml'), `# one run\n${stringify(one)}`);
  write(join(folder, 'compare.yaml'), stringify(all));
  write(join(folder, 'curve.yaml'), stringify({ ...all, perClass: [50, 100] }));
}
