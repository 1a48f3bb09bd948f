import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { L2TError } from '../errors.js';
import { Inference } from '../inference/inference.js';
import { loadCheckpoint } from '../networks/checkpoint.js';
import { largeSize } from '../options/networks.js';
import type { RunRecord } from '../store/record.js';
import { type RunData, readRunData } from '../store/run-data.js';
import { type ExplainedSource, explainSources } from './explain.js';
import { document } from './page/document.js';
import { salientPairs } from './run-images.js';
import { type RunPictures, runPage } from './run-page.js';
import { type Placement, testImagesOf, testOn } from './test-images.js';
import { Thumbnails } from './thumbnails.js';

/** Test images to which the meta-networks are applied, and how many of them get saliency maps. */
const [sampled, salient] = [96, 6];

/** Maximum bytes of a report; above, its pictures are left out. */
const maxBytes = 1_000_000;

/**
 * Returns the report of a run as one HTML document. Parts that need data or sources that are gone or changed are left
 * out, and the page says so. `record` replaces the folder's, which may name files that are elsewhere now.
 * @throws L2TError INVALID_RUN, FILE_ACCESS; ABORTED.
 */
export async function runReport(folder: string, placement: Placement, record?: RunRecord): Promise<string> {
  const read = await readRunData(folder);
  const run = { ...read, record: record ?? read.record };
  const pictures = await picturesOf(run, placement);
  const whole = await document(runPage(run, pictures));
  if (Buffer.byteLength(whole) < maxBytes || pictures.thumbnails === undefined) return whole;
  const { tested } = pictures;
  const sentence = 'The pictures of images are left out: with them, this file would be larger than 1 MB.';
  return document(runPage(run, { tested, leftOut: [...pictures.leftOut, sentence] }));
}

async function picturesOf(run: RunData, placement: Placement): Promise<RunPictures> {
  const leftOut: string[] = [];
  const part = async <T>(what: string, body: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await body();
    } catch (error) {
      if (!(error instanceof L2TError) || error.code === 'ABORTED') throw error;
      leftOut.push(`Left out: ${what}. ${error.message}`);
      return undefined;
    }
  };
  const best = join(run.folder, 'best.safetensors');
  if (run.result === undefined || !existsSync(best)) return { leftOut };
  const images = await part('all that shows test images', () => testImagesOf(run, placement.signal));
  if (images === undefined) return { leftOut };
  const tested = await part('the test images by class, and the errors', async () => {
    const inference = new Inference(await loadCheckpoint(best), placement);
    return testOn(images, run.record.found.classNames, inference, placement);
  });
  const sample = { images, positions: spread(images.count), salient };
  const explained = (await part('what the sources see', () => explainSources(run, sample, placement))) ?? [];
  const shown = [...explained.flatMap(imagesOf), ...(tested?.mistakes ?? []).map(({ image }) => image)];
  const maps = explained.flatMap(salientPairs).flatMap(({ saliency }) => saliency);
  const { spec, found } = run.record;
  const thumbnails = await Thumbnails.of(images, shown, maps, spec.size < largeSize, (image) => {
    return `${found.classNames[images.labels[image] as number]}, test image ${image}`;
  });
  return { tested, explained, thumbnails, leftOut };
}

/** Returns positions all over a list of `count` images, for all classes; the first `salient` are spread so, too. */
function spread(count: number): number[] {
  const evenly = (chosen: number) => Array.from({ length: chosen }, (_, k) => Math.floor((k * count) / chosen));
  return [...new Set([...evenly(Math.min(salient, count)), ...evenly(Math.min(sampled, count))])];
}

const imagesOf = (pairs: ExplainedSource): number[] =>
  pairs.flatMap(({ top, saliency }) => [...top.flatMap(({ images }) => images), ...saliency.map(({ image }) => image)]);
