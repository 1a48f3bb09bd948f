import { existsSync } from 'node:fs';
import * as z from 'zod';
import { readPthValue } from '../networks/weights/pth.js';
import { fileAccess, invalidData } from '../system/failures.js';
import { readFileBytes, readText } from '../system/files.js';
import { parseJson } from '../system/json.js';
import type { Dataset, Division } from './dataset.js';
import { subset } from './dataset.js';

const positions = z.array(z.int32().min(0));
const json = z
  .strictObject({ train: positions.optional(), validation: positions.optional(), test: positions.optional() })
  .refine(({ train, validation }) => train !== undefined || validation !== undefined);

/** How the file names of the authors' splits end. */
const endings = { train: '-train', validation: '-val', test: '-test' } as const;

/**
 * Reads a split. `path` is a JSON file of lists `train`, `validation` and `test`, such as split.json of a run folder
 * (without `train`, all images that are in no other list train), or the common beginning of the names of files that the
 * paper's authors published (`splits/cifar100` for splits/cifar100-train, …). If the data set has no test images,
 * `test` holds indices into the training images. Every index must exist in the data set and occur only once; the
 * authors' files must have its number of classes.
 */
export async function readSplit(path: string, dataset: Dataset): Promise<Division> {
  const { train, test, classNames } = dataset;
  const split = existsSync(path + endings.train)
    ? await readAuthors(path, classNames.length)
    : await readJson(path, dataset);
  const ofTrain = [...split.train, ...split.validation];
  if (test) {
    checkPositions(path, 'train and validation', ofTrain, train?.count ?? 0);
    checkPositions(path, 'test', [...(split.test ?? [])], test.count);
  } else {
    checkPositions(path, 'train, validation and test', [...ofTrain, ...(split.test ?? [])], train?.count ?? 0);
  }
  if (split.train.length === 0) throw invalidData(`${path} has no training images.`);
  if (split.test?.length === 0) throw invalidData(`${path} has no test images.`);
  return split;
}

/** The data set divided by a split file. If the file has no validation images, the data set keeps its own. */
export function divided(dataset: Dataset, division: Division): Dataset {
  const { train, validation, test } = dataset;
  const tested = test ?? train;
  return {
    ...dataset,
    folds: [],
    division,
    train: train && subset(train, division.train),
    validation: train && division.validation.length > 0 ? subset(train, division.validation) : validation,
    test: tested && division.test ? subset(tested, division.test) : test,
  };
}

/** The JSON text that `readSplit` reads. */
export function formatSplit({ train, validation, test }: Division): string {
  const lists = { train: [...train], validation: [...validation], ...(test && { test: [...test] }) };
  return `${JSON.stringify(lists)}\n`;
}

async function readJson(path: string, dataset: Dataset): Promise<Division> {
  if (!existsSync(path)) {
    throw fileAccess(`Cannot read ${path}: there is neither such a file nor ${path}${endings.train}.`);
  }
  const text = await readText(path);
  try {
    const { train, validation = [], test } = json.parse(parseJson(text));
    const others = new Set([...validation, ...((dataset.test === undefined && test) || [])]);
    const rest = [...Array(dataset.train?.count ?? 0).keys()].filter((image) => !others.has(image));
    return {
      train: Int32Array.from(train ?? rest),
      validation: Int32Array.from(validation),
      test: test && Int32Array.from(test),
    };
  } catch (cause) {
    throw invalidData(
      `${path} is no split: it must be JSON such as {"train": [0, 2], "validation": [1], "test": [0]}. (Of the authors' files it must be what their names have in common: there is no ${path}${endings.train}.)`,
      cause,
    );
  }
}

/** Each file is a pickle of two lists of whole numbers: the classes, which are always all classes, and the images. */
async function readAuthors(path: string, classes: number): Promise<Division> {
  const read = async (ending: string): Promise<Int32Array> => {
    const file = path + ending;
    const parsed = z.tuple([positions, positions]).safeParse(await readPthValue(await readFileBytes(file), file));
    if (!parsed.success) throw invalidData(`${file} is no split: it must hold two lists of whole numbers.`);
    const [listed, images] = parsed.data;
    if (listed.length !== classes) {
      throw invalidData(`${file} is of a data set with ${listed.length} classes, but this one has ${classes}.`);
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
    throw invalidData(`${path}: ${what} name image ${beyond}, but the data set has ${count}, counted from 0.`);
  }
  // A byte an image takes far less than a set of a million numbers.
  const seen = new Uint8Array(count);
  const twice = indices.find((index) => {
    const again = seen[index] === 1;
    seen[index] = 1;
    return again;
  });
  if (twice !== undefined) throw invalidData(`${path}: ${what} name image ${twice} twice: an image serves once.`);
}
