import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { invalidData } from '../../system/failures.js';
import { parseJson } from '../../system/json.js';
import { shown } from '../../system/printable.js';
import { readWhole } from '../reading.js';
import type { ParquetFile } from './file.js';

/** What Hugging Face's `datasets` calls a column: `Image`, `ClassLabel` with its classes' names, `Value`, … */
const feature = z.looseObject({ _type: z.string(), names: z.array(z.string()).optional() });
const info = z.looseObject({ features: z.record(z.string(), z.unknown()).nullish() });
const note = z.looseObject({ info: info.nullish() });

/** Columns by name. Empty if nothing describes them. */
export type Features = ReadonlyMap<string, z.output<typeof feature>>;

const infoFile = 'dataset_info.json';
const maxInfoBytes = 2 ** 26;

/**
 * What the writer said of the columns: under the key `huggingface` of the file's own footer; or else in
 * dataset_info.json beside the file or above it, up to `root`. `from`: the file that describes the columns.
 *
 * Throws INVALID_DATA if that is no JSON, or is of another form; FILE_ACCESS.
 */
export async function readFeatures(file: ParquetFile, root: string): Promise<{ features: Features; from: string }> {
  const own = file.note('huggingface');
  if (own !== undefined) {
    const what = `${file.path}: its entry 'huggingface'`;
    const given = parse(own, what, note).info?.features;
    if (given) return { features: toFeatures(given, what), from: file.path };
  }
  for (let folder = dirname(file.path); ; folder = dirname(folder)) {
    const path = join(folder, infoFile);
    if (existsSync(path)) {
      const given = parse((await readWhole(path, maxInfoBytes)).toString('utf8'), path, info).features;
      if (given) return { features: toFeatures(given, path), from: path };
    }
    if (resolve(folder) === resolve(root) || folder === dirname(folder))
      return { features: new Map(), from: file.path };
  }
}

/** What is no column of its own (a list, a struct of columns) is left out: it is no image and no label. */
function toFeatures(given: Readonly<Record<string, unknown>>, what: string): Features {
  const features = new Map<string, z.output<typeof feature>>();
  for (const [name, each] of Object.entries(given)) {
    const { success, data } = feature.safeParse(each);
    if (success) features.set(name, data);
    else if ((each as { _type?: unknown } | null)?._type === 'ClassLabel') {
      throw invalidData(`${what}: the names of column ${shown(name)} must be a list of texts.`);
    }
  }
  return features;
}

function parse<T>(text: string, what: string, form: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw invalidData(`${what} ${(cause as Error).message}. Download it again.`, cause);
  }
  const { success, data } = form.safeParse(value);
  if (success) return data;
  throw invalidData(
    `${what} does not describe the columns as Hugging Face does: it must be an object, and so must its 'features'. Download it again.`,
  );
}
