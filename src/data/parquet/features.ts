import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { L2TError } from '../../errors.js';
import { readWhole } from '../reading.js';
import type { ParquetFile } from './file.js';

/** What Hugging Face's `datasets` calls a column: `Image`, `ClassLabel` with its classes' names, `Value`, … */
const feature = z.looseObject({ _type: z.string(), names: z.array(z.string()).optional() });
const featureTable = z.record(z.string(), z.unknown()).transform((given) => {
  const known = Object.entries(given).flatMap(([name, each]) => {
    const parsed = feature.safeParse(each);
    return parsed.success ? [[name, parsed.data] as const] : [];
  });
  return new Map(known);
});
const info = z.looseObject({ features: featureTable });
const note = z.looseObject({ info });

/** Columns by name. Empty if nothing describes them. */
export type Features = ReadonlyMap<string, z.output<typeof feature>>;

const infoFile = 'dataset_info.json';
const maxInfoBytes = 2 ** 26;

/**
 * What the writer said of the columns: under the key `huggingface` of the file's own footer; or else in
 * dataset_info.json beside the file or above it, up to `root`.
 *
 * Throws INVALID_DATA if that is no JSON; FILE_ACCESS.
 */
export async function readFeatures(file: ParquetFile, root: string): Promise<Features> {
  const own = file.note('huggingface');
  if (own !== undefined) {
    const parsed = note.safeParse(parse(own, `${file.path}: its entry 'huggingface'`));
    if (parsed.success) return parsed.data.info.features;
  }
  for (let folder = dirname(file.path); ; folder = dirname(folder)) {
    const path = join(folder, infoFile);
    if (existsSync(path)) {
      const parsed = info.safeParse(parse((await readWhole(path, maxInfoBytes)).toString('utf8'), path));
      if (parsed.success) return parsed.data.features;
    }
    if (folder === root || folder === dirname(folder)) return new Map();
  }
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new L2TError('INVALID_DATA', `${what} is no JSON. Download it again.`, { cause });
  }
}
