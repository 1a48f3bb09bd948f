import { resolve } from 'node:path';
import { L2TError } from './errors.js';
import {
  type compareSchema,
  flagOf,
  type Given,
  type MethodName,
  methodNames,
  methodNeeds,
  uselessOptions,
} from './options.js';
import { firstSource } from './sources.js';
import { didYouMean } from './suggest.js';
import type { TransferOptions } from './transfer.js';

/** The options that all kinds of experiments have. */
export type ExperimentOptions = Omit<Given<typeof compareSchema>, 'perClass'>;

/** What is tried with every seed. */
export interface Entry {
  /** The method, with its pairs where they were named: fm:all-to-all. */
  readonly label: string;
  readonly method: MethodName;
  /** N, training images a class, where entries differ in it. */
  readonly perClass?: number;
  /** All but the seed and the folder. */
  readonly options: TransferOptions;
}

/** A comma that does not go on with a list of pairs: fm:4-0,9-1. */
const separator = /,(?!\s*\d)/;

/**
 * One entry a method of the list, with the options that it reads.
 * @throws L2TError INVALID_OPTION for what is no method, or listed twice, or has no pairs.
 */
export function methodEntries({
  methods = 'scratch,fm,at,l2t-w,l2t-ww',
  ...options
}: Given<typeof compareSchema>): Entry[] {
  const entries = methods.split(separator).map((item) => {
    const { method, pairs } = parseMethod(item.trim());
    const label = pairs === undefined ? method : `${method}:${pairs}`;
    return { label, method, options: { ...fitting(method, options), method, ...(pairs !== undefined && { pairs }) } };
  });
  const labels = entries.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice !== undefined) throw new L2TError('INVALID_OPTION', `--methods: ${twice} is listed twice.`);
  return entries;
}

function parseMethod(item: string): { method: MethodName; pairs?: string } {
  const [name = '', ...rest] = item.split(':');
  const method = methodNames.find((known) => known === name);
  if (method === undefined || method === 'finetune') {
    const why =
      method === undefined
        ? `'${name}' is no method: use some of ${methodNames.join(', ')}.`
        : 'finetune starts from other weights than the rest.';
    throw new L2TError('INVALID_OPTION', `--methods: ${why}${didYouMean(name, methodNames)}`);
  }
  const pairs = rest.join(':');
  if (pairs === '') return { method };
  if (methodNeeds[method].pairs) return { method, pairs };
  throw new L2TError('INVALID_OPTION', `--methods: ${method} has no pairs: leave out ':${pairs}'.`);
}

/** The options that the method reads. */
function fitting(method: MethodName, options: Given<typeof compareSchema>): TransferOptions {
  const { seeds: _, parallel: __, out: ___, ...shared } = options;
  const useless: readonly string[] = uselessOptions(method);
  const read = Object.fromEntries(Object.entries(shared).filter(([key]) => !useless.includes(key))) as TransferOptions;
  const { source, pairs } = methodNeeds[method];
  return source && !pairs ? { ...read, ...firstSource(read) } : read;
}

/**
 * Refuses what no entry's method reads, by name.
 * @throws L2TError INVALID_OPTION.
 */
export function requireUseful(entries: readonly Entry[], options: ExperimentOptions): void {
  const given = (key: string) => options[key as keyof ExperimentOptions] !== undefined;
  const [first = [], ...rest] = entries.map(({ method }) => uselessOptions(method) as readonly string[]);
  const useless = first.filter((key) => given(key) && rest.every((keys) => keys.includes(key)));
  if (useless.length === 0) return;
  const flags = useless.map(flagOf).join(', ');
  throw new L2TError('INVALID_OPTION', `None of the methods has a use for ${flags}: leave out what they do not read.`);
}

/** With paths that a resume from another working directory understands. */
export function absolutePaths<O extends ExperimentOptions>(options: O): O {
  const { data, source, splitFile, cache } = options;
  return {
    ...options,
    ...(data !== undefined && { data: resolve(data) }),
    ...(splitFile !== undefined && { splitFile: resolve(splitFile) }),
    ...(cache !== undefined && { cache: resolve(cache) }),
    ...(source !== undefined && { source: [source].flat().map((path) => resolve(path)) }),
  };
}
