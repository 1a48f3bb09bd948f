import type * as z from 'zod';
import type { L2TError } from '../errors.js';
import { fileAccess, invalidOption } from '../system/failures.js';
import { NotRegularFile, readText } from '../system/files.js';
import { shown } from '../system/printable.js';
import { checkOptions, type Given } from './check.js';
import { parseYaml } from './yaml.js';

type Schema = z.ZodObject<Record<string, z.ZodType>>;

/**
 * Reads and checks the options in a YAML file.
 * @throws L2TError FILE_ACCESS; INVALID_OPTION if it is no YAML map, or an entry is unknown or wrong.
 */
export async function yamlOptions<S extends Schema>(schema: S, file: string): Promise<Given<S>> {
  const text = await readText(file).catch((error: unknown) => {
    const { cause } = error as L2TError;
    if (!(cause instanceof NotRegularFile) || cause.found !== 'a folder') throw error;
    throw fileAccess(`Cannot read ${file}: it is a folder: name a YAML file.`, cause);
  });
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (cause) {
    throw invalidOption(`${file} is no valid YAML: ${(cause as Error).message}.`, cause);
  }
  if (value === null || value === undefined) return checkOptions(schema, {});
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalidOption(`${file} must be a map of options, such as 'epochs: 100'.`);
  }
  return checkOptions(schema, value as Record<string, unknown>, (key) => `${file}: ${shown(key)}`);
}
