import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../system/abort.js';
import { fileError, makeFolder } from '../system/files.js';
import { inOwnProcess } from './process.js';

/** What a run does with a large data set before it decodes an image, measured in a process of its own. */
export type ListingResult = Awaited<ReturnType<typeof benchListing>>;

interface ListingControl {
  readonly signal: AbortSignal;
  onGenerated(done: number, total: number): void;
}

/** ImageNet has this many classes, and about a twenty-sixth of its labelled images are for the test. */
const [mostClasses, perTest] = [1000, 26];

/**
 * Generates a tree of empty files in ImageNet's layout, lists it as a run does, and removes it.
 * @throws L2TError FILE_ACCESS; ABORTED through `signal`.
 */
export async function benchListing(images: number, control: ListingControl) {
  const { signal } = control;
  const folder = await mkdtemp(join(tmpdir(), 'l2t-listing-'));
  try {
    const classes = Math.max(2, Math.min(mostClasses, Math.floor(images / (2 * perTest))));
    await generate(folder, images, classes, control);
    const { beforeBytes, ...measured } = await inOwnProcess('listing', folder, signal);
    /** What the process took over what it had before, for each file. */
    const bytesPerImage = (measured.peakBytes - beforeBytes) / images;
    return { case: 'listing', images, classes, ...measured, bytesPerImage };
  } catch (error) {
    throwIfAborted('The measurement', signal);
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes train/n01440764/n01440764_10026.JPEG and the like: every 26th file is a test image. */
async function generate(folder: string, images: number, classes: number, { signal, onGenerated }: ListingControl) {
  for (let label = 0; label < classes; label++) {
    const id = `n${String(1_440_764 + 37 * label).padStart(8, '0')}`;
    const [train, test] = [join(folder, 'train', id), join(folder, 'val', id)];
    await makeFolder(train);
    await makeFolder(test);
    try {
      for (let image = label; image < images; image += classes) {
        const count = Math.floor(image / classes);
        const isTest = count % perTest === 0;
        const name = isTest ? `ILSVRC2012_val_${String(image).padStart(8, '0')}.JPEG` : `${id}_${count}.JPEG`;
        writeFileSync(join(isTest ? test : train, name), '');
      }
    } catch (error) {
      throw fileError('write', folder, error);
    }
    signal.throwIfAborted();
    onGenerated(Math.round(((label + 1) * images) / classes), images);
    await new Promise(setImmediate);
  }
}
