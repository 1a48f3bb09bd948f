import { extname, join } from 'node:path';
import { invalidData } from '../../system/failures.js';
import { type ImageList, imageFiles, trainAndTest } from '../dataset.js';
import { isImageExtension } from '../decode.js';
import type { Walk } from '../layout-reader.js';
import { type LayoutReader, nameSome, PassedOver } from '../layout-reader.js';

/** A class's WordNet id. */
const wnid = /^n\d{8}$/;
const flatValidation = /^ILSVRC2012_val_\d+\.JPEG$/i;

type Split = Awaited<ReturnType<typeof listSplit>>;

/**
 * ImageNet (ILSVRC 2012) with a folder per class, train/n01440764/*.JPEG and val/n01440764/*.JPEG. The validation
 * images become `test`, because the published test images have no labels.
 */
export const imagenet: LayoutReader = {
  layout: 'imagenet',
  async find(folder, _names, walk) {
    const train = await listSplit(folder, 'train', walk);
    const val = await listSplit(folder, 'val', walk);
    // With classes in test/, it is an ordinary folder with three splits.
    const test = await listSplit(folder, 'test', walk);
    const fits = hasOnlyClasses(train) && (hasOnlyClasses(val) || isFlat(val)) && test.classes.length === 0;
    return fits ? folder : undefined;
  },
  async open(folder, walk) {
    const train = await listSplit(folder, 'train', walk);
    const val = await listSplit(folder, 'val', walk);
    checkSorted(train, val);
    checkSameClasses(train, val);
    const others = new PassedOver();
    const images = { train: await listImages(train, others, walk), test: await listImages(val, others, walk) };
    const warnings = others.warning(folder, ' that are no images in class folders');
    return trainAndTest({ layout: 'imagenet', folder, ...images, classNames: train.classes, warnings });
  },
};

async function listSplit(folder: string, split: string, walk: Walk) {
  const path = join(folder, split);
  const names = await walk.names(path);
  return {
    folder: path,
    classes: names.filter((name) => wnid.test(name)),
    others: names.filter((name) => !wnid.test(name)),
  };
}

/** Checks whether all folders are classes. A name with a dot is taken for a file. */
function hasOnlyClasses({ classes, others }: Split): boolean {
  return classes.length > 0 && others.every((name) => name.includes('.'));
}

function isFlat({ classes, others }: Split): boolean {
  return classes.length === 0 && others.some((name) => flatValidation.test(name));
}

/**
 * Throws if a class's archive is not extracted, or if val/ has no class folders. The official archives hold one archive
 * per training class, and validation images without class folders.
 */
function checkSorted(train: Split, val: Split): void {
  const archive = train.others.find((name) => name.endsWith('.tar') && !train.classes.includes(name.slice(0, -4)));
  if (archive !== undefined) {
    throw invalidData(
      `${join(train.folder, archive)} is not extracted. Extract it into a folder ${archive.slice(0, -4)} beside it.`,
    );
  }
  if (!isFlat(val)) return;
  throw invalidData(
    `${val.folder} holds ${val.others[0]} and the like without class folders. Sort them into class folders as in ${train.folder}.`,
  );
}

function checkSameClasses(train: Split, val: Split): void {
  const missingFrom = (one: Split, other: Split) => {
    const present = new Set(one.classes);
    const missing = other.classes.filter((name) => !present.has(name));
    if (missing.length === 0) return;
    throw invalidData(
      `${one.folder} lacks ${missing.length} class folders that ${other.folder} has: ${nameSome(missing)}. Extract the archive again.`,
    );
  };
  missingFrom(train, val);
  missingFrom(val, train);
}

/**
 * Lists the images of each class, sorted by code unit; what is no image is added to `others`. There are 1.3 million, so
 * only their names are checked.
 */
async function listImages(split: Split, others: PassedOver, walk: Walk): Promise<ImageList> {
  for (const name of split.others) others.add(join(split.folder, name));
  const files: string[] = [];
  const labels: number[] = [];
  for (const [label, className] of split.classes.entries()) {
    const names = await walk.names(join(split.folder, className));
    const before = files.length;
    for (const name of names) {
      if (isImageExtension(extname(name))) {
        files.push(`${className}/${name}`);
        labels.push(label);
      } else others.add(join(split.folder, className, name));
    }
    if (files.length > before) continue;
    throw invalidData(
      `${join(split.folder, className)} has no images: it holds ${nameSome(names)}. Extract the archive again.`,
    );
  }
  return imageFiles(split.folder, files, labels);
}
