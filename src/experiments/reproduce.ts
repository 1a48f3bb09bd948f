import type { Dataset } from '../data/dataset.js';
import type { ListingOptions } from '../data/layout-reader.js';
import { loadData } from '../data/load.js';
import { countHeldOut, divide } from '../data/split.js';
import type { L2TError } from '../errors.js';
import type { Source } from '../networks/sources.js';
import { aMessageListener, aSignal, takeOptions } from '../options/arguments.js';
import { absolutePath, checkOptions, type Given, required, type Written } from '../options/check.js';
import { besideSplitFile } from '../options/consistent.js';
import type { OwnHelp } from '../options/option-help.js';
import { oneOrList } from '../options/row.js';
import { reproduceSchema } from '../options/schemas.js';
import { invalidOption } from '../system/failures.js';
import { readText } from '../system/files.js';
import { comparison, limitedData } from './compare.js';
import { type Entry, type ExperimentKind, type ExperimentOptions, requireUseful } from './entries.js';
import { type Estimate, estimate } from './estimate.js';
import {
  beginExperiment,
  type ExperimentControl,
  type ExperimentResult,
  experimentControls,
  type Plan,
  type PlanControl,
  planControls,
  planExperiment,
  type ResumeControl,
  resumeExperiment,
} from './experiment.js';
import type { Common } from './preflight.js';
import { openPresetData, type Preset, presetNamed, withoutDivided } from './presets.js';

/** Options that override the preset's, and those that it lacks: the data, and the sources' weights. */
export type ReproduceOptions = Written<typeof reproduceSchema, 'data', OwnHelp['reproduce']> & ExperimentControl;

/**
 * Runs one of the paper's experiments, a comparison or a curve, with the preset's options (`presets()`), overridden by
 * those given here.
 * @throws L2TError as `compare`; INVALID_OPTION if there is no such preset, or it has another number of sources;
 * INVALID_DATA if the data is not the preset's.
 */
export async function reproduce(name: string, given: ReproduceOptions): Promise<ExperimentResult> {
  const { options: over, control } = takeOptions(reproduceSchema, given, experimentControls);
  const runs = absolutePath('runs');
  const { kind, options, check } = await completePreset(name, over, control);
  return beginExperiment(kind, options, { ...control, check }, name, runs);
}

/** Options of `planReproduction`: those of `reproduce`, without `out`, `parallel` and `follow`. */
export type PlanReproductionOptions = Written<typeof reproduceSchema, 'data', OwnHelp['reproduce']> & PlanControl;

/** Does the same as `planComparison`, for one of the paper's experiments. */
export async function planReproduction(name: string, folder: string, given: PlanReproductionOptions): Promise<Plan> {
  const { options: over, control } = takeOptions(reproduceSchema, given, planControls);
  const { kind, options, check } = await completePreset(name, over, control);
  return planExperiment(kind, folder, options, { ...control, check });
}

/** Resolves the options, and requires the data, and the sources' weights if a method reads them. */
async function completePreset(name: string, over: Given<typeof reproduceSchema>, listing: ListingOptions) {
  const resolved = await resolvePreset(name, over, listing);
  const { preset, options, entries } = resolved;
  required(reproduceSchema, over, 'data');
  if (entries.some(({ useless }) => !useless.includes('source')) && options.source === undefined)
    throw wrongSources(preset, 0);
  requireUseful(entries, over);
  return resolved;
}

/** Continues a reproduction, which is a comparison or a curve. */
export const resumeReproduction = (out: string, control?: ResumeControl): Promise<ExperimentResult> =>
  resumeExperiment(undefined, out, control);

/** The options of a reproduction, and its estimated time on this machine. */
export interface DryRun {
  /** The preset's name. */
  readonly preset: string;
  /** The verb whose options it has. */
  readonly verb: Preset['verb'];
  /** The options that `reproduce` would run with. */
  readonly options: ExperimentOptions;
  /** True if the images of the data were counted. Else their published number is used. */
  readonly counted: boolean;
  /** The estimated time on this machine. */
  readonly estimate: Estimate;
}

/**
 * Resolves the options as `reproduce` does and times a few steps of each method with the preset's networks. Writes
 * nothing; needs neither data nor weights.
 * @throws L2TError as `reproduce`, before it trains.
 */
export async function dryRun(
  name: string,
  callerOptions: Written<typeof reproduceSchema, never, OwnHelp['reproduce']> & {
    /** Ends the timing with L2TError ABORTED. */
    readonly signal?: AbortSignal | undefined;
    /** Called with the label of each method before it is timed. */
    readonly onMethod?: ((label: string) => void) | undefined;
  } = {},
): Promise<DryRun> {
  const { options: over, control } = takeOptions(reproduceSchema, callerOptions, {
    signal: aSignal,
    onMethod: aMessageListener,
  });
  const { preset, dataset, options, entries } = await resolvePreset(name, over, control);
  requireUseful(entries, over);
  const { data } = options;
  const classes = options.classes?.split(',').length ?? dataset?.classNames.length ?? preset.data.classes;
  const images = await countEach(entries, async (run) => {
    if (data === undefined) return published(preset, classes, run);
    const listed = await loadData({ ...run, data, drawTest: true, signal: control.signal });
    return divide(listed, { ...run, data, seed: 0 }).lists.train.count;
  });
  const times = await estimate({ entries, options, classes, images, sources: preset.sources }, control);
  return { preset: name, verb: preset.verb, options, counted: dataset !== undefined, estimate: times };
}

/** Returns the number of training images of each entry; entries differ only in images a class. */
async function countEach(entries: readonly Entry[], count: (run: Entry['options']) => number | Promise<number>) {
  const counts = new Map<number | undefined, number>();
  for (const { options: run } of entries) {
    if (!counts.has(run.perClass)) counts.set(run.perClass, await count(run));
  }
  return entries.map(({ options: run }) => counts.get(run.perClass) as number);
}

/** Returns the published number of training images, less the authors' validation images or those of `validation`. */
async function published(
  { data }: Preset,
  classes: number,
  { perClass, fold, splitFile, validation = 0 }: Entry['options'],
): Promise<number> {
  if (splitFile !== undefined && splitFile === data.split) return data.images - (await countValidating(splitFile));
  const share = fold === undefined ? 1 : 10;
  const each = perClass ?? Math.floor(data.images / data.classes / share);
  return classes * (each - countHeldOut(validation, each));
}

async function countValidating(split: string): Promise<number> {
  return (JSON.parse(await readText(split)) as { validation: number[] }).validation.length;
}

async function resolvePreset(name: string, reproduction: Given<typeof reproduceSchema>, listing: ListingOptions) {
  const preset = await presetNamed(name, ['compare', 'curve']);
  const { sourceWeights, perClass, ...over } = reproduction;
  const weights = sourceWeights === undefined ? [] : [sourceWeights].flat();
  if (weights.length > 0 && weights.length !== preset.sources.length) throw wrongSources(preset, weights.length);
  const dataset =
    over.data === undefined ? undefined : await openPresetData(preset, { ...over, data: over.data, ...listing });
  // A comparison has one count of images a class, a curve a list of them.
  const count = preset.verb === 'compare' && /^\d+$/.test(perClass ?? '') ? Number(perClass) : perClass;
  const splitFile = over.splitFile ?? splitOf(preset, reproduction, dataset);
  const merged = {
    ...withoutDivided(preset.options, { splitFile }),
    splitFile,
    sourceNetwork: oneOrList(preset.sources.map(({ network }) => network)),
    ...(weights.length > 0 && { source: oneOrList(weights) }),
    ...over,
    ...(count !== undefined && { perClass: count }),
  };
  const kind: ExperimentKind = preset.verb === 'curve' ? limitedData : comparison;
  const options: ExperimentOptions = checkOptions(kind.schema, merged);
  const check = ({ checkpoints }: Common) => requireSources(preset, checkpoints);
  return { preset, dataset, kind, options, entries: kind.entries(options), check };
}

/** Returns the authors' validation images: places in the data as distributed, so no other option may divide it. */
function splitOf({ data }: Preset, given: Given<typeof reproduceSchema>, dataset: Dataset | undefined) {
  const divided = besideSplitFile.some((key) => given[key] !== undefined);
  return divided || (dataset !== undefined && dataset.layout !== data.layout) ? undefined : data.split;
}

/**
 * Refuses a source with another number of classes than the preset's: it was trained on other data. If the methods read
 * only the first source, it is the only checkpoint.
 */
function requireSources({ name, sources }: Preset, checkpoints: readonly Source[]): void {
  checkpoints.forEach(({ network }, k) => {
    const expected = sources[k];
    if (expected === undefined || network.classes === expected.classes) return;
    throw invalidOption(
      `${name}: {sourceWeights} number ${k + 1} tells ${network.classes} classes apart, but ${expected.network} trained on ${expected.trainedOn} has ${expected.classes}.`,
    );
  });
}

function wrongSources({ name, sources }: Preset, count: number): L2TError {
  const list = sources.map(({ network, trainedOn, from }) => `${network}, trained on ${trainedOn} (${from})`);
  const wanted = `${name} needs {sourceWeights} ${sources.length === 1 ? 'once' : `${sources.length} times, in this order`}`;
  return invalidOption(`${wanted}, not ${count} times: ${list.join('; ')}.`);
}
