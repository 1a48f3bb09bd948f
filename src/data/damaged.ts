import { L2TError } from '../errors.js';
import { command } from '../options/command.js';
import { type SetName, setNames } from '../options/datasets.js';
import { invalidData } from '../system/failures.js';
import { counted } from '../system/printable.js';
import { checkEveryClass, type Dataset, type ImageList, type ImageLists, subset } from './dataset.js';

/** An image that a run leaves out because it is damaged. */
export interface SkippedImage {
  readonly set: SetName;
  /** Its position in the data set's own list. */
  readonly image: number;
  /** Its file, or its place in a file. */
  readonly name: string;
}

/** An image of a set that cannot be read, and why. */
export interface Damaged {
  readonly set: SetName;
  /** Its index in the set. */
  readonly index: number;
  readonly error: L2TError;
}

/** Checks whether an error is the image's fault. A file that cannot be opened may be sound. */
export const isDamage = (error: unknown): error is L2TError =>
  error instanceof L2TError && error.code === 'INVALID_DATA';

/** Returns `body` for a loop that goes on after a damaged image, which is added to `damaged`. */
export const noting =
  <S extends { readonly name: SetName }>(damaged: Damaged[], body: (set: S, index: number) => Promise<void>) =>
  async (set: S, index: number): Promise<void> => {
    try {
      await body(set, index);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged.push({ set: set.name, index, error });
    }
  };

/** The most damaged images that a message names. */
const mostNamed = 10;

/** INVALID_DATA that names the damaged images among `total`. */
export function damagedImages(folder: string, damaged: readonly Damaged[], total: number): L2TError {
  // All images of a damaged part of a file have the same message.
  const problems = [...new Set(damaged.map(({ error }) => error.message.replace(/ Replace or remove it\.$/, '')))];
  const more = problems.length - mostNamed;
  return invalidData(
    [
      `${folder}: ${counted(damaged.length, 'image')} of ${total} cannot be read:`,
      ...problems.slice(0, mostNamed).map((problem) => `  ${problem}`),
      ...(more > 0 ? [`  and ${more} more, which ${command('data', 'check', folder)} lists`] : []),
      'Replace or remove them, or leave them out with {skipDamaged}.',
    ],
    damaged[0]?.error,
  );
}

/** The error of the first damaged image, where nobody has looked for the others. */
export const firstDamaged = (error: L2TError): L2TError =>
  invalidData(
    `${error.message} l2t-native data check finds all such images, and {skipDamaged} leaves them out.`,
    error,
  );

/** Damaged images as a run records them, in the order of the sets. */
export const toSkipped = (damaged: readonly Damaged[], lists: ImageLists): SkippedImage[] =>
  setNames.flatMap((set) => {
    const list = lists[set] as ImageList;
    const indices = damaged.filter((each) => each.set === set).map(({ index }) => index);
    return indices.sort((a, b) => a - b).map((k) => ({ set, image: list.position(k), name: list.name(k) }));
  });

/** The indices of a set's images without the skipped ones. */
export function indicesLeft(set: SetName, list: ImageList, skipped: readonly SkippedImage[]): number[] {
  const images = new Set(skipped.filter((each) => each.set === set).map(({ image }) => image));
  return [...Array(list.count).keys()].filter((index) => !images.has(list.position(index)));
}

/** The sets without the skipped images. */
export function withoutSkipped(
  lists: ImageLists,
  skipped: readonly SkippedImage[],
  { classNames, folder }: Pick<Dataset, 'classNames' | 'folder'>,
): ImageLists {
  if (skipped.length === 0) return lists;
  const left = (set: SetName) => {
    const list = lists[set];
    const indices = list && indicesLeft(set, list, skipped);
    if (indices?.length === 0) throw invalidData(`${folder}: none of the ${list?.count} ${set} images can be read.`);
    return list && subset(list, indices as number[]);
  };
  const train = left('train') as ImageList;
  checkEveryClass(train, classNames, folder);
  return { train, unlabelled: left('unlabelled'), validation: left('validation'), test: left('test') };
}
