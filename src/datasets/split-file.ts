import { existsSync } from 'node:fs';
import * as z from 'zod';
import { L2TError } from '../errors.js';
import { readFileBytes } from '../files.js';
import { readPthValue } from '../weights/pth.js';
import type { Dataset } from './dataset.js';
import type { TrainSplit } from './split.js';

/** A published split: positions of images in the data set's own order. `validation` may be empty. */
export interface PublishedSplit extends TrainSplit {
  /** Of the test images; undefined: all of them. */
  readonly test: Int32Array | undefined;
}

const positions = z.array(
  z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
);
const json = z
  .strictObject({ train: positions.optional(), validation: positions.optional(), test: positions.optional() })
  .refine(({ train, validation }) => train !== undefined || validation !== undefined);

/** The files of one of the authors' splits: this and -train, -val, -test. */
const endings = { train: '-train', validation: '-val', test: '-test' } as const;

/**
 * Reads a split: a JSON file of lists `train`, `validation` and `test`, as a run folder's split.json is (without `train`: all
 * that do not validate), or the files that the paper's authors published, by what their names have in common (`splits/cifar100` for splits/cifar100-train …). Checked
 * against the data set: positions that exist, none twice; of the authors' files the number of classes.
 *
 * Throws INVALID_DATA, naming the file; FILE_ACCESS.
 */
export async function readSplit(path: string, dataset: Dataset): Promise<PublishedSplit> {
  const split = existsSync(path + endings.train)
    ? await readAuthors(path, dataset.classNames.length)
    : await readJson(path, dataset.train?.count ?? 0);
  const { train, test } = dataset;
  checkPositions(path, 'train and validation', [...split.train, ...split.validation], train?.count ?? 0);
  if (split.test) checkPositions(path, 'test', [...split.test], test?.count ?? 0);
  if (split.train.length === 0) throw new L2TError('INVALID_DATA', `${path} has no training images.`);
  return split;
}

/** As `readSplit` reads it: positions in the data set's own training images (of a fold or of chosen classes, in those). */
export function formatSplit({ train, validation }: TrainSplit): string {
  return `${JSON.stringify({ train: [...train], validation: [...validation] })}\n`;
}

async function readJson(path: string, trainingImages: number): Promise<PublishedSplit> {
  const bytes = await readFileBytes(path);
  try {
    const { train, validation = [], test } = json.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
    const heldOut = new Set(validation);
    return {
      train: Int32Array.from(train ?? [...Array(trainingImages).keys()].filter((image) => !heldOut.has(image))),
      validation: Int32Array.from(validation),
      test: test && Int32Array.from(test),
    };
  } catch (cause) {
    throw new L2TError(
      'INVALID_DATA',
      `${path} is no split: it must be JSON such as {"train": [0, 2], "validation": [1], "test": [0]}, or the beginning of the names of the authors' files.`,
      { cause },
    );
  }
}

/** Each file is a pickle of two lists of whole numbers: the classes, which are always all of them, and the images. */
async function readAuthors(path: string, classes: number): Promise<PublishedSplit> {
  const read = async (ending: string): Promise<Int32Array> => {
    const file = path + ending;
    const parsed = z.tuple([positions, positions]).safeParse(await readPthValue(await readFileBytes(file), file));
    if (!parsed.success) {
      throw new L2TError('INVALID_DATA', `${file} is no split: it must hold two lists of whole numbers.`);
    }
    const [listed, images] = parsed.data;
    if (listed.length !== classes) {
      throw new L2TError(
        'INVALID_DATA',
        `${file} is of a data set with ${listed.length} classes, but this one has ${classes}.`,
      );
    }
    return Int32Array.from(images);
  };
  const readIfThere = (ending: string) => (existsSync(path + ending) ? read(ending) : undefined);
  return {
    train: await read(endings.train),
    validation: (await readIfThere(endings.validation)) ?? new Int32Array(0),
    test: await readIfThere(endings.test),
  };
}

function checkPositions(path: string, what: string, indices: readonly number[], count: number): void {
  const beyond = indices.find((index) => index >= count);
  if (beyond !== undefined) {
    throw new L2TError(
      'INVALID_DATA',
      `${path}: ${what} name image ${beyond}, but the data set has ${count}, counted from 0.`,
    );
  }
  const seen = new Set<number>();
  const twice = indices.find((index) => seen.size === seen.add(index).size);
  if (twice !== undefined)
    throw new L2TError('INVALID_DATA', `${path}: ${what} name image ${twice} twice: an image serves once.`);
}
