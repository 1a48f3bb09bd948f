import { copyFileSync, cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { stringify } from 'yaml';
import { imageFiles } from '../../../src/data/dataset.js';
import { ImageCache } from '../../../src/data/image-cache.js';
import { addon } from '../../../src/native/addon.js';
import { saveCheckpoint } from '../../../src/networks/checkpoint.js';
import { writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { imagenetNormalisation } from '../../../src/options/networks.js';
import type { Run } from '../../../src/run/run.js';
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
  await writeWeights(join(folder, 'weights'));
  await writeRuns(folder);
  await writeImages(join(folder, 'images'));
  writeIdx(join(folder, 'idx'));
  writeIdx(join(folder, 'idx-gz'), { compressed: true });
  for (const variant of cifarVariants) writeCifar(join(folder, variant.layout), variant);
  layouts.writeSvhn(join(folder, 'svhn'), { compressed: false });
  layouts.writeStl10(join(folder, 'stl10'));
  await layouts.writeTinyImagenet(join(folder, 'tinyimagenet'));
  await layouts.writeImagenet(join(folder, 'imagenet'));
  await layouts.writeCub200(join(folder, 'cub200'));
  await layouts.writeMit67(join(folder, 'mit67'));
  await layouts.writeStanford40(join(folder, 'stanford40'));
  await layouts.writeStanfordDogs(join(folder, 'stanford-dogs'));
  await writeClasses(join(folder, 'folder/train'), { left: 2, right: 2 });
  await writeClasses(join(folder, 'folder/test'), { left: 1, right: 1 });
  await writeTables(join(folder, 'parquet'));
  write(join(folder, 'parquet-labels/labels.parquet'), parquetOf(soundLabels));
  await writeList(join(folder, 'list'));
  await writeLines(join(folder, 'list-lines'));
  writeOptions(join(folder, 'yaml'));
  writeSplits(join(folder, 'splits'));
}

/** A file to train on of each compression that is read, and one to test. */
async function writeTables(folder: string): Promise<void> {
  const names = ['left', 'right'];
  const codecs = ['uncompressed', 'snappy', 'zstd', 'gzip'];
  for (const [k, codec] of codecs.entries()) {
    const rows = [await tableRow(k), await tableRow(k + 1)];
    await writeParquet(join(folder, `data/train-0000${k}-of-00004.parquet`), rows, { names, codec });
  }
  await writeParquet(join(folder, 'data/test.parquet'), [await tableRow(0), await tableRow(1)], {
    names,
    note: undefined,
  });
  const features = { image: { _type: 'Image' }, label: { names, _type: 'ClassLabel' } };
  write(join(folder, 'dataset_info.json'), JSON.stringify({ features }));
}

const tableRow = async (seed: number) => ({
  bytes: await encode(pattern(seed, 8), 8, 8, 'png'),
  path: `${seed}.png`,
  label: seed % 2,
});

/** Two classes of three images, one of them to test. */
async function writeList(folder: string): Promise<void> {
  await writeClasses(join(folder, 'pictures'), { left: 3, right: 3 });
  const rows = ['left', 'right'].flatMap((name) =>
    [0, 1, 2].map((k) => `pictures/${name}/${k}.png,${name},${k === 2 ? 'test' : 'train'}`),
  );
  write(join(folder, 'images.csv'), ['file,label,split', ...rows, ''].join('\n'));
}

/** The same in JSON-lines, with texts and numbers as labels. */
async function writeLines(folder: string): Promise<void> {
  await writeClasses(join(folder, 'pictures'), { 7: 3, right: 3 });
  const lines = [7, 'right'].flatMap((label) => [0, 1, 2].map((k) => ({ file: `pictures/${label}/${k}.png`, label })));
  write(join(folder, 'images.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

async function writeWeights(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const entries = addon().initialise(tinyNetwork, 1);
  const storages = entries.map(({ data }, key): FixtureStorage => {
    return { type: 'FloatStorage', key: String(key), size: data.length / 4, data };
  });
  const named = entries.map(
    ({ name, shape }, k) => [`module.${name}`, tensor(storages[k] as FixtureStorage, shape)] as const,
  );
  const whole = dict([
    ['epoch', int(3)],
    ['state_dict', stateDict(named)],
    ['milestones', list(int(60), int(80))],
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
  const tensors = new Map(entries.map(({ name, ...entry }) => [name, entry]));
  mkdirSync(join(folder, 'safetensors'));
  await writeSafetensors(join(folder, 'safetensors/whole.safetensors'), tensors);
  const few = new Map([...tensors].filter(([name]) => name.startsWith('fc.') || name.includes('layer1.0.bn1')));
  await writeSafetensors(join(folder, 'safetensors/few.safetensors'), few, new Map([['format', 'pt']]));
  mkdirSync(join(folder, 'checkpoint'));
  const about = { size: 32, classNames: ['left', 'middle', 'right'], normalisation: imagenetNormalisation };
  for (const name of ['resnet20', 'vgg9_bn'] as const) {
    const network = { ...tinyNetwork, name };
    const weights = addon().initialise(network, 1);
    await saveCheckpoint(join(folder, `checkpoint/${name}.safetensors`), { ...about, network, weights });
  }
}

/** Writes a finished run, one with an epoch left, one without a state, and the data and the source that they name. */
async function writeRuns(folder: string): Promise<void> {
  const data = tinyData(4);
  const source = await tinySource({ width: 1 / 16 });
  cpSync(data, join(folder, 'run-data'), { recursive: true });
  mkdirSync(join(folder, 'run-source'));
  copyFileSync(source, join(folder, 'run-source/source.safetensors'));
  for (const made of [data, dirname(source)]) rmSync(made, { recursive: true });
  const options = {
    ...tinyOptions,
    data: join(folder, 'run-data'),
    source: join(folder, 'run-source/source.safetensors'),
    width: 1 / 16,
    validation: 1,
  };
  await transfer({ ...options, out: join(folder, 'runs/finished/run'), lr: 'auto' }).result;
  const stopping = new AbortController();
  const run: Run = transfer({ ...options, out: join(folder, 'runs/begun/run'), signal: stopping.signal });
  for await (const { type } of run) if (type === 'epoch') stopping.abort();
  await run.result.catch(() => {});
  for (const name of ['options.yaml', 'split.json']) {
    write(join(folder, 'runs/new/run', name), '');
    copyFileSync(join(folder, 'runs/begun/run', name), join(folder, 'runs/new/run', name));
  }
}

async function writeImages(folder: string): Promise<void> {
  const [height, width] = [12, 17];
  const rgb = pattern(1, height, width);
  const raw = { raw: { height, width, channels: 3 as const } };
  const put = async (name: string, image: Sharp | Buffer): Promise<void> =>
    write(join(folder, name), Buffer.isBuffer(image) ? image : await image.toBuffer());
  await put('png/a/rgb.png', await encode(rgb, height, width, 'png'));
  await put('png/a/rgba.png', await encode(pattern(2, height, width, 4), height, width, 'png'));
  await put('png/a/grey16.png', sharp(rgb, raw).toColourspace('grey16').png());
  await put('png/b/palette.png', sharp(rgb, raw).png({ palette: true, colours: 16 }));
  await put('png/b/interlaced.png', sharp(rgb, raw).png({ progressive: true }));
  await put('jpeg/a/rgb.jpg', sharp(rgb, raw).jpeg());
  await put('jpeg/a/progressive.jpg', sharp(rgb, raw).jpeg({ progressive: true }));
  await put('jpeg/b/cmyk.jpg', sharp(rgb, raw).toColourspace('cmyk').jpeg());
  await put(
    'jpeg/b/grey.jpg',
    sharp(rgb, raw)
      .greyscale()
      .withExif({ IFD0: { Copyright: 'none' } })
      .jpeg(),
  );
  await put('webp/a/lossy.webp', sharp(rgb, raw).webp());
  await put('webp/a/lossless.webp', sharp(rgb, raw).webp({ lossless: true }));
  const layer = { raw: { height, width, channels: 4 as const } };
  await put('webp/b/alpha.webp', sharp(pattern(3, height, width, 4), layer).webp());
  const frames = { raw: { height: 2 * height, width, channels: 3 as const, pageHeight: height } };
  const two = pattern(4, 2 * height, width);
  await put('webp/b/moving.webp', sharp(two, frames).webp({ loop: 0, delay: [100, 100] }));
  await put('gif/a/still.gif', sharp(rgb, raw).gif());
  await put('gif/a/grey.gif', sharp(rgb, raw).greyscale().gif());
  await put('gif/b/few.gif', sharp(rgb, raw).gif({ colours: 4 }));
  await put('gif/b/moving.gif', sharp(two, frames).gif({ loop: 0, delay: [100, 100] }));
  await put('avif/a/lossy.avif', sharp(rgb, raw).avif());
  await put('avif/a/turned.avif', sharp(rgb, raw).withMetadata({ orientation: 6 }).avif({ lossless: true }));
  await put('avif/b/grey.avif', sharp(rgb, raw).greyscale().avif());
  await put('avif/b/alpha.avif', sharp(pattern(3, height, width, 4), layer).avif({ bitdepth: 10 }));
  await writeCacheEntry(join(folder, '../cache'), join(folder, 'png/a/rgb.png'));
}

/** Writes an image, and its entry in a cache of resized images. */
async function writeCacheEntry(folder: string, image: string): Promise<void> {
  write(join(folder, 'rgb.png'), '');
  copyFileSync(image, join(folder, 'rgb.png'));
  await cachedImage(folder);
}

export function cachedImage(folder: string) {
  const cache = new ImageCache(join(folder, 'entries'), addon().resize, undefined);
  return cache.list(imageFiles(folder, ['rgb.png'], [0]), 8).read(0);
}

/** Each file is named after its verb. */
function writeOptions(folder: string): void {
  const shared = { data: 'data', target: 'vgg9_bn', epochs: 3, batch: 16, lr: 'auto', width: 0.5, validation: 0.1 };
  const one = { ...shared, source: 'a.pth', pairs: '8-3,5-1', innerSteps: 2, beta: 0.5, strict: true, seed: 1 };
  const all = {
    ...shared,
    source: ['a.pth', 'b.pth'],
    sourceNetwork: ['resnet32'],
    methods: 'scratch,fm,l2t-ww',
    seeds: 3,
  };
  write(join(folder, 'transfer.yaml'), `# one run\n${stringify(one)}`);
  write(join(folder, 'compare.yaml'), stringify(all));
  write(join(folder, 'curve.yaml'), stringify({ ...all, perClass: [50, 100] }));
}

/** Writes what `readSplit` takes: JSON, and the authors' pickles of classes and images. */
function writeSplits(folder: string): void {
  write(join(folder, 'split.json'), JSON.stringify({ train: [0, 2, 4, 5], validation: [1, 3], test: [0, 1] }));
  const numbers = (...values: number[]) => list(...values.map(int));
  for (const [ending, images] of [
    ['train', [0, 2, 4, 5]],
    ['val', [1, 3]],
    ['test', [0, 1]],
  ] as const) {
    const object = list(numbers(0, 1, 2), numbers(...images));
    write(join(folder, `zip/split-${ending}`), zipPth(object, []));
    write(join(folder, `legacy/split-${ending}`), legacyPth(object, []));
  }
}
