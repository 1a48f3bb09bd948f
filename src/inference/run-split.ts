import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { DataKind, ListingOptions } from '../data/layout-reader.js';
import { folderFingerprint } from '../data/load.js';
import { L2TError } from '../errors.js';
import { decisionsName } from '../networks/checkpoint.js';
import { required } from '../options/check.js';
import { evaluateSchema } from '../options/schemas.js';
import { parseRecord } from '../store/record.js';
import { invalidData } from '../system/failures.js';
import { readText } from '../system/files.js';

/** Which images a run tested on, and how its data is read. */
interface RunSplit extends DataKind {
  /** The run's training data, and its selected classes. */
  readonly data?: string | undefined;
  readonly classes?: string | undefined;
  readonly splitFile?: string | undefined;
  /** The run's training data, if it is not this data. */
  readonly otherData?: string | undefined;
}

/**
 * The split.json, the layout and the columns of the checkpoint's run, if the checkpoint is in the folder of a run on this
 * data, at whatever path, whose split.json names test images; else nothing. Without `data`, it is the run's, which the
 * result then names.
 * @throws L2TError INVALID_DATA if the data is at the run's path, and has changed; INVALID_OPTION if no data is given and
 * the checkpoint is not in a run's folder.
 */
export async function splitOfRun(
  checkpoint: string,
  otherData: string | undefined,
  listing: ListingOptions,
): Promise<RunSplit> {
  // The checkpoint's path may be a link.
  const folder = dirname(await realpath(checkpoint).catch(() => checkpoint));
  // The result of `train` is that of its last stage.
  const stages = existsSync(join(folder, decisionsName)) ? ['student', 'source'] : [];
  const stage = stages.find((name) => existsSync(join(folder, name, 'options.yaml')));
  const run = stage === undefined ? folder : join(folder, stage);
  const [file, splitFile] = [join(run, 'options.yaml'), join(run, 'split.json')];
  if (!existsSync(file) || !existsSync(splitFile)) {
    if (otherData === undefined) required(evaluateSchema, {}, 'data');
    return {};
  }
  const { spec, found } = parseRecord(await readText(file), file);
  const { layout, imageColumn, labelColumn, classes } = spec;
  const data = otherData ?? spec.data;
  const kind = { layout, imageColumn, labelColumn, ...(otherData === undefined && { data, classes }) };
  if (found.folder === undefined) return otherData === undefined ? kind : {};
  const elsewhere = spec.data !== resolve(data);
  const fingerprint = await folderFingerprint({ data, ...kind }, listing).catch((error: unknown) => {
    // Other data may be of another kind.
    if (elsewhere && error instanceof L2TError && error.code !== 'ABORTED') return undefined;
    throw error;
  });
  if (fingerprint === found.folder) return { ...kind, splitFile };
  if (elsewhere) return { otherData: spec.data };
  throw invalidData(
    `${data} changed since ${run} began, so ${splitFile} no longer says which images were not trained on: put the data back, or name the images with {split} or {splitFile}.`,
  );
}
