import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { parse } from 'yaml';
import type * as z from 'zod';
import { L2TError } from '../errors.js';
import { fileError } from '../files.js';
import { aboutField, checkOptions, flagOf, type Given } from '../options.js';

type Schema = z.ZodObject<Record<string, z.ZodType>>;

/** Adds a flag for every option of a schema. */
export function addFlags(command: Command, schema: Schema): void {
  for (const key of Object.keys(schema.shape)) {
    const { value, help } = aboutField(schema, key);
    const option = new Option(value === '' ? flagOf(key) : `${flagOf(key)} <${value}>`, help);
    // 'n' and 'x' are numbers. What is none stays as it was typed, so that the message can show it.
    if (value === 'n' || value === 'x') option.argParser((text) => (isNumber(text) ? Number(text) : text));
    command.addOption(option);
  }
}

const isNumber = (text: string): boolean => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text);

/** The options of a schema among those that commander parsed, checked. */
export function flagOptions<S extends Schema>(schema: S, parsed: Readonly<Record<string, unknown>>): Given<S> {
  const given = Object.entries(parsed).filter(([key]) => key in schema.shape);
  return checkOptions(schema, Object.fromEntries(given), flagOf);
}

/**
 * The options in a YAML file, checked.
 * @throws L2TError FILE_ACCESS; INVALID_OPTION where it is no YAML map, or an entry is unknown or wrong.
 */
export async function yamlOptions<S extends Schema>(schema: S, file: string): Promise<Given<S>> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError('read', file, error);
  });
  let value: unknown;
  try {
    value = parse(text, { strict: true, uniqueKeys: true, maxAliasCount: 0 });
  } catch (cause) {
    throw new L2TError('INVALID_OPTION', `${file} is no valid YAML: ${(cause as Error).message.trim()}`, { cause });
  }
  if (value === null || value === undefined) return checkOptions(schema, {});
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new L2TError('INVALID_OPTION', `${file} must be a map of options, such as 'epochs: 100'.`);
  }
  return checkOptions(schema, value as Record<string, unknown>, (key) => `${file}: ${key}`);
}

/** Flags over YAML. */
export async function mergedOptions<S extends Schema>(
  schema: S,
  parsed: Readonly<Record<string, unknown>>,
): Promise<Given<S>> {
  const flags = flagOptions(schema, parsed);
  return typeof parsed.config === 'string' ? { ...(await yamlOptions(schema, parsed.config)), ...flags } : flags;
}
