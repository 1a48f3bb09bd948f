import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { stringify } from 'yaml';
import { imageFiles } from '../../../src/data/dataset.js';
import { ImageCache } from '../../../src/data/image-cache.js';
import { type Checkpoint, saveCheckpoint, transfer } from '../../../src/index.js';
import { addon } from '../../../src/native/addon.js';
import { writeSafetensors } from '../../../src/networks/weights/safetensors.js';
import { imagenetNormalisation } from '../../../src/options/networks.js';
import { encode, pattern, write, writeClasses } from '../../data/generate.js';
import { dict, int, list, stateDict } from '../../networks/weights/pickle-writer.js';
import {
  type FixtureStorage,
  legacyPth,
  tensor,
  storages as viewed,
  object as views,
  zipPth,
} from '../../networks/weights/pth-writer.js';
import { tinyData, tinyOptions, tinySource } from '../../tiny.js';

/** Small valid files. Each function writes those of one format into a folder. */

export const tinyNetwork = { name: 'resnet20', classes: 3, width: 1 / 16 } as const;
export const checkpointOf = (name: Checkpoint['network']['name'] = 'resnet20'): Checkpoint => {
  const network = { ...tinyNetwork, name };
  const weights = addon().initialise(network, 1);
  return { network, weights, size: 32, classNames: ['left', 'middle', 'right'], normalisation: imagenetNormalisation };
};

export function pthFiles(folder: string, pth: typeof zipPth | typeof legacyPth): void {
  const { weights } = checkpointOf();
  const storages = weights.map(({ data }, key): FixtureStorage => {
    return { type: 'FloatStorage', key: String(key), size: data.length / 4, data };
  });
  const tensors = weights.map(({ name, shape }, k) => {
    return [`module.${name}`, tensor(storages[k] as FixtureStorage, shape)] as const;
  });
  const whole = { epoch: int(3), state_dict: stateDict(tensors), milestones: list(int(60), int(80)) };
  write(join(folder, 'whole.pth'), pth(dict(Object.entries(whole)), storages));
  write(join(folder, 'views.pth'), pth(views, viewed));
}

export async function tensorFiles(folder: string): Promise<void> {
  mkdirSync(folder);
  const tensors = new Map(checkpointOf().weights.map(({ name, ...entry }) => [name, entry]));
  await writeSafetensors(join(folder, 'whole.safetensors'), tensors);
  const few = new Map([...tensors].filter(([name]) => name.startsWith('fc.') || name.includes('layer1.0.bn1')));
  await writeSafetensors(join(folder, 'few.safetensors'), few, new Map([['format', 'pt']]));
}

export async function checkpoints(folder: string): Promise<void> {
  mkdirSync(folder);
  for (const name of ['resnet20', 'vgg9_bn'] as const)
    await saveCheckpoint(join(folder, `${name}.safetensors`), checkpointOf(name));
}

/** A run, which has an epoch left or is finished, and the data and the source that it names. */
async function run(folder: string, isFinished: boolean): Promise<void> {
  const given = { data: join(folder, 'data'), source: join(folder, 'source.safetensors') };
  cpSync(tinyData(4), given.data, { recursive: true });
  cpSync(await tinySource({ width: 1 / 16 }), given.source);
  const stopping = new AbortController();
  const options = { ...tinyOptions, ...given, width: 1 / 16, validation: 1, signal: stopping.signal };
  const begun = transfer({ ...options, out: join(folder, 'run'), ...(isFinished && { lr: 'auto' }) });
  for await (const { type } of begun) if (type === 'epoch' && !isFinished) stopping.abort();
  await begun.result.catch(() => {});
}

export const begunRun = (folder: string) => run(folder, false);
export const finishedRun = (folder: string) => run(folder, true);
/** A run that has only its options. */
export async function newRun(folder: string): Promise<void> {
  await run(folder, false);
  const files = readdirSync(join(folder, 'run')).filter((name) => !/options|split/.test(name));
  for (const name of files) rmSync(join(folder, 'run', name));
}

/** Each file is named after its verb. */
export function optionFiles(folder: string): void {
  const shared = { data: 'data', target: 'vgg9_bn', epochs: 3, batch: 16, lr: 'auto', width: 0.5, validation: 0.1 };
  const one = { ...shared, source: 'a.pth', pairs: '8-3,5-1', innerSteps: 2, beta: 0.5, strict: true, seed: 1 };
  const sources = { source: ['a.pth', 'b.pth'], sourceNetwork: ['resnet32'] };
  const all = { ...shared, ...sources, methods: 'scratch,fm,l2t-ww', seeds: 3 };
  write(join(folder, 'transfer.yaml'), `# one run\n${stringify(one)}`);
  write(join(folder, 'compare.yaml'), stringify(all));
  write(join(folder, 'curve.yaml'), stringify({ ...all, perClass: [50, 100] }));
}

export function splits(folder: string): void {
  const { val: validation, ...parts } = { train: [0, 2, 4, 5], val: [1, 3], test: [0, 1] };
  write(join(folder, 'split.json'), JSON.stringify({ ...parts, validation }));
  for (const [part, images] of Object.entries({ ...parts, val: validation })) {
    const object = list(list(...[0, 1, 2].map(int)), list(...images.map(int)));
    write(join(folder, `zip/split-${part}`), zipPth(object, []));
    write(join(folder, `legacy/split-${part}`), legacyPth(object, []));
  }
}

/** A list in JSON-lines of three images in each of two classes, of which one is a number. */
export async function jsonLines(folder: string): Promise<void> {
  await writeClasses(join(folder, 'pictures'), { 7: 3, right: 3 });
  const rows = [7, 'right'].flatMap((label) => [0, 1, 2].map((k) => ({ file: `pictures/${label}/${k}.png`, label })));
  write(join(folder, 'images.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** Images in two classes. A format ignores the options that it does not have. */
export async function images(folder: string, format: 'png' | 'jpeg' | 'webp' | 'gif' | 'avif'): Promise<void> {
  const [height, width] = [12, 17];
  const of = (channels: 3 | 4) => sharp(pattern(1, height, width, channels), { raw: { height, width, channels } });
  const pages = { raw: { height: 2 * height, width, channels: 3, pageHeight: height } } as const;
  const all = [
    ...[of(3), of(4), of(3).greyscale(), of(3).toColourspace(format === 'jpeg' ? 'cmyk' : 'grey16')],
    of(3).withMetadata({ orientation: 6 }),
    ...(format === 'webp' || format === 'gif' ? [sharp(pattern(4, 2 * height, width), pages)] : []),
  ].map((image) => image.toFormat(format));
  const options = [{ progressive: true }, { palette: true, colours: 16 }, { lossless: true }, { bitdepth: 10 }];
  all.push(...options.map((option) => of(3).toFormat(format, option)));
  for (const [k, image] of all.entries()) write(join(folder, `${k % 2}/${k}.${format}`), await image.toBuffer());
}

export async function cache(folder: string): Promise<void> {
  write(join(folder, 'a.png'), await encode(pattern(1, 12, 17), 12, 17, 'png'));
  await cachedImage(folder);
}

export function cachedImage(folder: string) {
  const cache = new ImageCache(join(folder, 'entries'), addon().resize, undefined);
  return cache.list(imageFiles(folder, ['a.png'], [0]), 8).read(0);
}
