import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import * as z from 'zod';
import type { Dataset } from '../data/dataset.js';
import type { DataKind, ListingOptions } from '../data/layout-reader.js';
import { openDataset } from '../data/load.js';
import { checkOptions, type Given, paperOptions, refused, required } from '../options/check.js';
import { command } from '../options/command.js';
import { layoutNames } from '../options/datasets.js';
import { defaultBatch, defaultSize, type NetworkName, networkNames } from '../options/networks.js';
import { compareSchema, curveSchema, pretrainSchema } from '../options/schemas.js';
import { didYouMean } from '../options/spelling.js';
import { invalidData, invalidOption } from '../system/failures.js';
import { reaching, readText } from '../system/files.js';

type PretrainGiven = Given<typeof pretrainSchema>;
type CompletePretrain = PretrainGiven & { readonly network: NetworkName; readonly data: string };

const text = z.string().min(1);

const presetSchema = z.strictObject({
  /** The experiment in a sentence. */
  title: text,
  /** The verb whose options `options` are. */
  verb: z.enum(['compare', 'curve', 'pretrain']),
  /** The data set that it needs. */
  data: z.strictObject({
    /** The data set's usual name. */
    name: text,
    /** How its files are laid out; docs/data.md lists the layouts. */
    layout: z.enum(layoutNames),
    /** Number of classes. */
    classes: z.int().min(1),
    /** Training images, as published. */
    images: z.int().min(1),
    /** The origin of the data, in words. */
    from: text,
    /** A split file, below this folder: the validation images that the paper's authors published. */
    split: text.optional(),
  }),
  /** Pretrained networks, in the order in which their weights are given. */
  sources: z
    .array(
      z.strictObject({
        /** The source's network. */
        network: z.enum(networkNames),
        /** The data set that it was trained on, in words. */
        trainedOn: text,
        /** Number of classes that it tells apart. */
        classes: z.int().min(1),
        /** The origin of its weights, in words. */
        from: text,
      }),
    )
    .default([]),
  /** Options that differ from the paper's schedule, which the tables of options hold. */
  options: z.record(z.string(), z.unknown()),
});

/**
 * One of the paper's experiments, or the training of a source for them: a file of src/experiments/presets/. `options`
 * is complete: it has the paper's schedule, too.
 */
export interface Preset extends z.output<typeof presetSchema> {
  /** The name by which `reproduce` or `pretrain --preset` takes it. */
  readonly name: string;
}

// Presets are not compiled, so they are read from src/, which the package ships.
const folder = fileURLToPath(new URL('../../src/experiments/presets', import.meta.url));

const schemas = { compare: compareSchema, curve: curveSchema, pretrain: pretrainSchema };

/** All presets: comparisons, curves, then sources, each by name. */
export async function presets(): Promise<Preset[]> {
  const files = await reaching(folder, () => readdir(folder));
  const names = files.filter((file) => file.endsWith('.yaml')).map((file) => basename(file, '.yaml'));
  const all: Preset[] = [];
  for (const name of names.sort()) all.push(await readPreset(name));
  return Object.keys(schemas).flatMap((verb) => all.filter((preset) => preset.verb === verb));
}

async function readPreset(name: string): Promise<Preset> {
  const file = join(folder, `${name}.yaml`);
  const preset = presetSchema.parse(parse(await readText(file), { strict: true, uniqueKeys: true }));
  const schema = schemas[preset.verb];
  const network = String(preset.options.target ?? preset.options.network);
  const options = { ...paperOptions(schema), batch: defaultBatch(defaultSize(network)), ...preset.options };
  checkOptions(schema, options, (key) => `${file}: ${key}`);
  const { data } = preset;
  return {
    name,
    ...preset,
    options,
    data: { ...data, ...(data.split !== undefined && { split: join(folder, data.split) }) },
  };
}

/**
 * @throws L2TError INVALID_OPTION if there is no such preset, or it is for another verb; the message says what to use.
 */
export async function presetNamed(name: string, verbs: readonly Preset['verb'][]): Promise<Preset> {
  const all = await presets();
  if (typeof name !== 'string') throw refused('The preset', name, 'the name of one (presets() lists them)');
  const preset = all.find((known) => known.name === name);
  const names = all.filter(({ verb }) => verbs.includes(verb)).map((known) => known.name);
  if (preset === undefined) {
    const known = `there are ${names.join(', ')}`;
    throw invalidOption(`'${name}' is no preset: ${known}.${didYouMean(name, names)}`);
  }
  if (verbs.includes(preset.verb)) return preset;
  const other =
    preset.verb === 'pretrain'
      ? `trains a source: ${command('pretrain', '--preset', name, '--data', 'DIR')}`
      : `is an experiment: ${command('reproduce', name, '--data', 'DIR')}`;
  throw invalidOption(`The preset ${name} ${other}.`);
}

/**
 * Opens the data set in a folder. It must be the preset's: in its layout, or class folders with as many classes.
 * @throws L2TError INVALID_DATA, naming both.
 */
export async function openPresetData(
  { name, data: expected }: Preset,
  { data, ...options }: { readonly data: string } & DataKind & ListingOptions,
): Promise<Dataset> {
  const dataset = await openDataset(data, options);
  const classes = dataset.classNames.length;
  if (dataset.layout === expected.layout) return dataset;
  const ofFolders = ['folder', 'imagenet', 'parquet', 'list'].includes(dataset.layout);
  if (ofFolders && classes === expected.classes) return dataset;
  const found = ofFolders ? `holds ${classes} classes` : `is of the layout ${dataset.layout}`;
  throw invalidData(
    `The preset ${name} needs ${expected.name} (${expected.from}), or its ${expected.classes} classes as folders, Parquet files or a list; ${data} ${found}.`,
  );
}

/**
 * Checks that the data is the preset's. Returns the options of `pretrain`: the preset's, overridden by the given ones.
 * @throws L2TError as `presetNamed` and `openPresetData`.
 */
export async function pretrainPreset(name: string, given: PretrainGiven): Promise<CompletePretrain> {
  const preset = await presetNamed(name, ['pretrain']);
  const { layout, imageColumn, labelColumn } = given;
  await openPresetData(preset, { data: required(pretrainSchema, given, 'data'), layout, imageColumn, labelColumn });
  return { ...withoutDivided(preset.options, given), ...given } as CompletePretrain;
}

/** Returns a preset's options, without `validation` if a split file is given, which determines it. */
export function withoutDivided(options: Preset['options'], given: { readonly splitFile?: string | undefined }) {
  const { validation: _, ...others } = options;
  return given.splitFile === undefined ? options : others;
}
