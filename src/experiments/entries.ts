import { loadSources, requireTrainable } from '../networks/sources.js';
import { defaultOf, type Given, type Schema } from '../options/check.js';
import { uselessOptions } from '../options/consistent.js';
import { type MethodName, needsOf, needsOfRow, type RowName, rowNames } from '../options/methods.js';
import type { NetworkName } from '../options/networks.js';
import { compareSchema } from '../options/schemas.js';
import { firstSource, listSources } from '../options/spec.js';
import { didYouMean } from '../options/spelling.js';
import type { CheckedTransferOptions } from '../run/transfer.js';
import { invalidOption } from '../system/failures.js';
import type { Experiment, RowTitle } from './plan.js';

/** The options that all kinds of experiments have. */
export type ExperimentOptions = Omit<Given<typeof compareSchema>, 'perClass'>;

/** A method with its options, which runs with every seed. */
export interface Entry extends RowTitle {
  readonly method: MethodName;
  /** Options of the experiment that the method does not read. */
  readonly useless: readonly string[];
  /** All options but the seed and the folder. */
  readonly options: CheckedTransferOptions;
}

/** A kind of experiment: its verb, its options, and the rows that they make. */
export interface ExperimentKind {
  readonly verb: Experiment['verb'];
  readonly schema: Schema;
  /** @throws L2TError INVALID_OPTION. */
  entries(options: ExperimentOptions): Entry[];
}

/** A comma between methods, not one within a list of pairs such as fm:4-0,9-1. */
const separator = /,(?!\s*\d)/;

/**
 * Returns one entry for each listed method, with the options that it reads. finetune-source has no target if the
 * options lack the source's network (`withSourceNetworks` adds it).
 * @throws L2TError INVALID_OPTION for an unknown method, one listed twice, or pairs for a method that has none.
 */
export function methodEntries({ methods, ...options }: Given<typeof compareSchema>): Entry[] {
  const entries = (methods ?? defaultOf(compareSchema, 'methods')).split(separator).map((item) => {
    const { name, pairs } = parseMethod(item.trim());
    const label = pairs === undefined ? name : `${name}:${pairs}`;
    return { label, ...readBy(name, options, pairs) };
  });
  const labels = entries.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw invalidOption(`{methods}: ${twice} is listed twice.`);
  return entries;
}

function parseMethod(item: string): { name: RowName; pairs?: string } {
  const [method = '', ...rest] = item.split(':');
  const name = rowNames.find((known) => known === method);
  if (name === undefined) {
    const why = `'${method}' is no method: use some of ${rowNames.join(', ')}.${didYouMean(method, rowNames)}`;
    throw invalidOption(`{methods}: ${why}`);
  }
  if (rest.length === 0) return { name };
  const pairs = rest.join(':').trim();
  if (pairs === '') throw invalidOption(`{methods}: '${item}' names no pairs: leave out the colon.`);
  if (needsOfRow(name).pairs) return { name, pairs };
  throw invalidOption(`{methods}: ${name} has no pairs: leave out ':${pairs}'.`);
}

/** Returns the method, the options that it reads, and those that it does not. */
function readBy(
  name: RowName,
  options: Given<typeof compareSchema>,
  pairs: string | undefined,
): Pick<Entry, 'method' | 'useless' | 'options'> {
  const needs = needsOfRow(name);
  const useless = [...uselessOptions(needs), ...(needs.start ? [] : ['targetInit'])];
  if (needs.start && options.targetInit === undefined) {
    const other = "or list finetune-source, which fine-tunes the first source's own network";
    throw invalidOption(`{methods}: ${name} starts from {targetInit}: give it, ${other}.`);
  }
  if (name === 'finetune-source') {
    const read = without(options, [...ofTarget, ...uselessOptions(needsOf('finetune'))]);
    const method = 'finetune';
    const unread = [...ofTarget, 'sourceFinetune', ...useless];
    return { method, useless: unread, options: { ...read, ...sourceAsTarget(options), method } };
  }
  const read = without(options, useless);
  const fitting = needs.source && !needs.pairs ? firstSource(read) : read;
  const more = {
    ...(read.sourceFinetune !== undefined && { shareSource: true }),
    ...(pairs !== undefined && { pairs }),
  };
  return { method: name, useless, options: { ...fitting, method: name, ...more } };
}

/** Options of the target, which finetune-source takes from the source instead. */
const ofTarget = ['target', 'width', 'size'] as const;

function without(options: Given<typeof compareSchema>, useless: readonly string[]): CheckedTransferOptions {
  const { reportRuns = false, ...others } = options;
  const { seeds: _, parallel: __, out: ___, report: ____, with: _____, classNames: ______, ...shared } = others;
  const read = Object.entries(shared).filter(([key]) => !useless.includes(key));
  return { ...Object.fromEntries(read), report: reportRuns };
}

/** Returns the options that train the first source's own network, starting from its weights. */
function sourceAsTarget(options: Given<typeof compareSchema>): CheckedTransferOptions {
  const { source, sourceNetwork, sourceSize, sourceWidth, sourceLicence } = firstSource(options);
  // An ONNX file is refused before it is read.
  return {
    target: sourceNetwork as NetworkName | undefined,
    width: sourceWidth,
    size: sourceSize,
    targetInit: source,
    sourceLicence,
  };
}

/**
 * Adds each source's network, width and size from its checkpoint, if an entry trains or fine-tunes a source's network.
 * @throws L2TError as `loadCheckpoint`; INVALID_OPTION if there is no source.
 */
export async function withSourceNetworks<O extends ExperimentOptions>(
  entries: readonly Entry[],
  options: O,
): Promise<O> {
  const trains = ({ label, options: { sourceFinetune } }: Entry) => label === 'finetune-source' || sourceFinetune;
  if (!entries.some(trains)) return options;
  const sources = listSources(options);
  requireTrainable(sources, entries.find(trains)?.label === 'finetune-source' ? 'finetune-source' : '{sourceFinetune}');
  const checkpoints = await loadSources(sources, options);
  return {
    ...options,
    sourceNetwork: checkpoints.map(({ network }) => network.name),
    sourceWidth: checkpoints.map(({ network }) => network.width),
    sourceSize: checkpoints.map(({ size }) => size),
  };
}

/**
 * Refuses options that no entry's method reads, by name.
 * @throws L2TError INVALID_OPTION.
 */
export function requireUseful(entries: readonly Entry[], options: ExperimentOptions): void {
  if (options.classNames !== undefined && options.with === undefined) {
    throw invalidOption('{classNames} names the classes of the networks of {with}, and there are none: leave it out.');
  }
  const isSet = (key: string) => options[key as keyof ExperimentOptions] !== undefined;
  const [first = [], ...rest] = entries.map((entry) => entry.useless);
  const useless = first.filter((key) => isSet(key) && rest.every((keys) => keys.includes(key)));
  if (useless.length === 0) return;
  const names = useless.map((key) => `{${key}}`).join(', ');
  throw invalidOption(`None of the methods has a use for ${names}: leave out what they do not read.`);
}
