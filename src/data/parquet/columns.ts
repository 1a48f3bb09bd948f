import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { SchemaTree } from 'hyparquet';
import * as z from 'zod';
import { invalidData, invalidOption } from '../../system/failures.js';
import { parseJson } from '../../system/json.js';
import { shown } from '../../system/printable.js';
import { type ColumnNames, nameSome, type ReadingKind } from '../layout-reader.js';
import { readWhole } from '../reading.js';
import type { ParquetFile } from './file.js';

/** Hugging Face's description of a column: `Image`, `ClassLabel` with its classes' names, `Value`, … */
const feature = z.looseObject({ _type: z.string(), names: z.array(z.string()).optional() });
const info = z.looseObject({ features: z.record(z.string(), z.unknown()).nullish() });
const note = z.looseObject({ info: info.nullish() });

/** Columns by name. Empty if nothing describes them. */
export type Features = ReadonlyMap<string, z.output<typeof feature>>;

const infoFile = 'dataset_info.json';
const maxInfoBytes = 2 ** 26;

/**
 * Reads the writer's description of the columns: under the key `huggingface` of the file's own footer; or else in
 * dataset_info.json beside the file or above it, up to `root`. `from`: the file that describes the columns.
 */
export async function readFeatures(file: ParquetFile, root: string): Promise<{ features: Features; from: string }> {
  const footer = file.note('huggingface');
  if (footer !== undefined) {
    const what = `${file.path}: its entry 'huggingface'`;
    const described = parse(footer, what, note).info?.features;
    if (described) return { features: toFeatures(described, what), from: file.path };
  }
  for (let folder = dirname(file.path); ; folder = dirname(folder)) {
    const path = join(folder, infoFile);
    if (existsSync(path)) {
      const described = parse((await readWhole(path, maxInfoBytes)).toString('utf8'), path, info).features;
      if (described) return { features: toFeatures(described, path), from: path };
    }
    if (resolve(folder) === resolve(root) || folder === dirname(folder))
      return { features: new Map(), from: file.path };
  }
}

/** Returns the columns by name. Lists and structs of columns are left out: they are no images and no labels. */
function toFeatures(described: Readonly<Record<string, unknown>>, what: string): Features {
  const features = new Map<string, z.output<typeof feature>>();
  for (const [name, each] of Object.entries(described)) {
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

/** The columns to read. */
export interface Columns {
  readonly image: string;
  /** Undefined: no labels are read. */
  readonly label: string | undefined;
  /** Labels are indices of `classNames` (ClassLabel), texts, or whole numbers. */
  readonly labels: 'classes' | 'texts' | 'numbers';
  /** The names of a ClassLabel's classes. */
  readonly classNames: readonly string[] | undefined;
}

/**
 * Finds the column of images (`Image`, a struct of `bytes` and `path`, or else plain bytes) and that of labels:
 * `ClassLabel`, or else texts or whole numbers. `kind` may name them instead.
 */
export function chooseColumns(schema: SchemaTree, features: Features, kind: ReadingKind, where: string): Columns {
  const { images, labels } = fittingOf(schema, features);
  const image = choose('imageColumn', kind.imageColumn, images, schema, where);
  const label = kind.labels === false ? undefined : choose('labelColumn', kind.labelColumn, labels, schema, where);
  return columnsOf(schema, features, { image, label });
}

/** Describes the columns `named` of another file. Undefined if it lacks them, or they hold no images or no labels. */
export function sameColumns(
  schema: SchemaTree,
  features: Features,
  named: Pick<Columns, 'image' | 'label'>,
): Columns | undefined {
  const { images, labels } = fittingOf(schema, features);
  const { image, label } = named;
  const fits = images.flat().includes(image) && (label === undefined || labels.flat().includes(label));
  return fits ? columnsOf(schema, features, named) : undefined;
}

/** The columns that fit, those that fit best first. */
function fittingOf(schema: SchemaTree, features: Features) {
  const structs = namesOf(schema, isImage);
  const classes = namesOf(schema, isInteger).filter((name) => isClassLabel(features, name));
  // Either may hold the labels, so where there are both, the person chooses.
  const textsAndNumbers = namesOf(schema, (column) => isText(column) || isInteger(column));
  return {
    images: [structs.filter((name) => features.get(name)?._type === 'Image'), structs, namesOf(schema, isBytes)],
    labels: [classes, textsAndNumbers],
  };
}

function columnsOf(schema: SchemaTree, features: Features, named: Pick<Columns, 'image' | 'label'>): Columns {
  const { label } = named;
  if (label === undefined || namesOf(schema, isText).includes(label))
    return { ...named, labels: 'texts', classNames: undefined };
  const classes = isClassLabel(features, label);
  return {
    ...named,
    labels: classes ? 'classes' : 'numbers',
    classNames: classes ? features.get(label)?.names : undefined,
  };
}

const isClassLabel = (features: Features, name: string): boolean => features.get(name)?._type === 'ClassLabel';

const namesOf = ({ children }: SchemaTree, fits: (column: SchemaTree) => boolean): string[] =>
  children
    .filter((column) => column.element.repetition_type !== 'REPEATED' && fits(column))
    .map(({ element }) => element.name);

const isImage = ({ children }: SchemaTree): boolean =>
  children.some(({ element: { name, type, repetition_type } }) => {
    return name === 'bytes' && type === 'BYTE_ARRAY' && repetition_type !== 'REPEATED';
  });

const isBytes = ({ element }: SchemaTree): boolean =>
  element.type === 'BYTE_ARRAY' && element.converted_type === undefined && element.logical_type === undefined;

const isText = ({ element }: SchemaTree): boolean =>
  element.type === 'BYTE_ARRAY' && (element.converted_type === 'UTF8' || element.logical_type?.type === 'STRING');

const isInteger = ({ element }: SchemaTree): boolean =>
  (element.type === 'INT32' || element.type === 'INT64') &&
  /^U?INT_\d+$/.test(element.converted_type ?? 'INT_64') &&
  (element.logical_type?.type ?? 'INTEGER') === 'INTEGER';

const what = {
  imageColumn: 'images (Image: a struct of bytes and path; or bytes)',
  labelColumn: 'labels (ClassLabel, texts or whole numbers)',
};

/** `tiers`: as `fittingOf` has them. */
function choose(
  option: keyof ColumnNames,
  named: string | undefined,
  tiers: readonly (readonly string[])[],
  schema: SchemaTree,
  where: string,
): string {
  const fitting = [...new Set(tiers.flat())];
  if (named !== undefined) {
    if (fitting.includes(named)) return named;
    throw invalidOption(
      `{${option}}: ${where} has no column '${shown(named)}' of ${what[option]}; it has ${nameSome(fitting)}.`,
    );
  }
  const best = tiers.find((names) => names.length > 0);
  if (best === undefined) {
    const all = nameSome(schema.children.map(({ element }) => element.name));
    throw invalidData(`${where} has no column of ${what[option]}; its columns are ${all}.`);
  }
  if (best.length === 1) return best[0] as string;
  throw invalidOption(
    `${where} has several columns of ${what[option]}: ${nameSome(best)}. Choose one with {${option}}.`,
  );
}
