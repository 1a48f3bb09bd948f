import { resolve as absolute } from 'node:path';
import type * as z from 'zod';
import { invalidOption } from '../system/failures.js';
import { changePaths, type Given, required } from './check.js';
import { methodIn, requireConsistent, rows, uselessOptions } from './consistent.js';
import type { Marks, RowFacts, RowSpec, Scope } from './marks.js';
import { isRead, needsOf, type SettingName } from './methods.js';
import { largeSize, type NetworkName } from './networks.js';
import { oneOrList } from './row.js';
import { transferSchema } from './schemas.js';
import { sourceAt } from './sources.js';

// The options of a run, in one shape: `read` makes it of the given options, `begin` completes it, options.yaml records
// it, and the native part takes it.

/** A source of a run. */
export interface SourceSpec {
  /** Its checkpoint, or its ONNX file. */
  readonly path: string;
  readonly network: NetworkName | 'onnx';
  readonly width: number;
  /** Side of its images, pixels. */
  readonly size: number;
  /** The feature maps of an ONNX file, and the version of ONNX Runtime that runs it. */
  readonly onnx?: { readonly runtime: string; readonly maps: readonly OnnxMapSpec[] } | undefined;
  /** Given options of an ONNX file: names of its feature maps, its extra tokens, how its images are normalised. */
  readonly maps?: string | undefined;
  readonly tokens?: number | undefined;
  readonly normalisation?: string | undefined;
  /** The configuration of its pairs of features; absent if the method matches none. */
  readonly pairs?: string | undefined;
  /** The licence, as the person or the list of sources states it. */
  readonly licence?: string | undefined;
}

/** A feature map of an ONNX file: the name of its tensor, its channels, its height and width. */
interface OnnxMapSpec {
  readonly name: string;
  readonly channels: number;
  readonly side: number;
}

type Shape = typeof transferSchema.shape;
type MarksOf<K extends keyof Shape> = Shape[K] extends { readonly marks?: infer M } ? NonNullable<M> : never;
type RowsWith<M> = { [K in keyof Shape]: MarksOf<K> extends M ? K : never }[keyof Shape];

type RecordedKey = Exclude<keyof Shape, RowsWith<{ fills: string }> | RowsWith<{ scope: 'call' }>>;
type FoundKey = RowsWith<{ found: unknown }>;
/** Rows that always have a value. A row that only some methods read may have none. */
type FilledKey = Exclude<
  RecordedKey & (RowsWith<{ default: unknown }> | RowsWith<{ needed: true }> | FoundKey),
  RowsWith<{ of: unknown }> | SettingName
>;

type Filled = { readonly [K in FilledKey]: z.output<Shape[K]> };
type Optional = { readonly [K in Exclude<RecordedKey, FilledKey>]?: z.output<Shape[K]> | undefined };

/** The options of a run: every row that its method reads, with its default if none was given. Paths are absolute. */
export type RunSpec = Filled &
  Optional & {
    /** Empty if the method reads no source. */
    readonly sources: readonly SourceSpec[];
    /** The licence of `targetInit`, if the method starts from it. */
    readonly sourceLicence?: string | undefined;
  };

/** A spec without the values that `begin` finds. */
export type SpecDraft = Omit<RunSpec, FoundKey | 'sources'> & {
  readonly [K in FoundKey]?: RunSpec[K] | undefined;
} & { readonly sources: readonly SourceDraft[] };

/** A source whose network, width and size may be in its checkpoint. */
export type SourceDraft = Omit<SourceSpec, SourceFact> & Partial<Pick<SourceSpec, Exclude<SourceFact, 'onnx'>>>;

/** The facts that a source's file states. */
type SourceFact = 'network' | 'width' | 'size' | 'onnx';

/** Facts on which a spec depends besides the given options. */
export interface Facts extends RowFacts {
  /** Facts in the sources' checkpoints. */
  readonly sources: readonly Pick<SourceSpec, SourceFact>[];
}

type GivenOptions = Given<typeof transferSchema>;
type OptionName = keyof Shape;
type OptionRow = (typeof rows)[number];

const scopeOf = ({ scope = 'result' }: Marks) => scope;

/** The rows that a spec records one by one. */
export const recordedRows = rows.filter(({ about }) => about.fills === undefined && scopeOf(about) !== 'call');
const sourceRows = rows.filter(({ about }) => about.fills !== undefined);

/**
 * Checks the options of a run together, and fills in every default that needs no data.
 * @throws L2TError INVALID_OPTION.
 */
export function read(options: GivenOptions): SpecDraft {
  for (const { name, about } of rows) if (about.needed) required(transferSchema, options, name);
  requireConsistent(options);
  const method = methodIn(options);
  const known = { ...options, method } as unknown as RowSpec;
  const needs = needsOf(method);
  const values = recordedRows
    .filter(({ name, about }) => isRead(name, about, needs))
    .map(({ name, about }) => [name, options[name] ?? defaultIn(about, known), about] as const)
    .filter(([, value]) => value !== undefined)
    .map(([name, value, about]) => [name, changePaths(about, value, absolute)]);
  const recorded = Object.fromEntries(values);
  requireFitting(recorded);
  const { source, start } = needs;
  const [licence] = [options.sourceLicence].flat();
  return frozen({
    ...(recorded as Omit<SpecDraft, 'sources'>),
    sources: source ? listSources(options) : [],
    ...(start && !source && licence !== undefined && { sourceLicence: licence }),
  });
}

/** Asks each row whether its value fits the others. */
function requireFitting(options: Readonly<Record<string, unknown>>): void {
  for (const { name, about } of recordedRows) {
    const why = about.refuses?.(options as unknown as RowSpec);
    if (why !== undefined) throw invalidOption(`{${name}=${options[name]}} ${why}`);
  }
}

const defaultIn = ({ default: usual }: Marks, spec: RowSpec): unknown =>
  typeof usual === 'function' ? usual(spec) : usual;

/** Returns the spec of a run that begins. It does not change any more. */
export function begin(draft: SpecDraft, facts: Facts): RunSpec {
  const found = new Map(
    rows.flatMap(({ name, about }) => (about.found ? [[name, about.found(draft as RowSpec, facts)]] : [])),
  );
  const ordered = recordedRows.map(({ name }) => [name, found.get(name) ?? draft[name as keyof SpecDraft]]);
  const sources = draft.sources.map(({ path, network: _, width: __, size: ___, ...given }, k) => ({
    path,
    ...(facts.sources[k] as Facts['sources'][number]),
    ...given,
  }));
  const present = Object.fromEntries(ordered.filter(([, value]) => value !== undefined));
  const { sourceLicence } = draft;
  return frozen({ ...present, sources, ...(sourceLicence !== undefined && { sourceLicence }) } as unknown as RunSpec);
}

/** Returns a run's spec with other values of `placement`, the only ones that a resume may change. */
export const placedAt = (spec: RunSpec, placement: Partial<Pick<RunSpec, 'device' | 'threads' | 'cache'>>): RunSpec =>
  frozen({ ...spec, ...placement });

function frozen<T extends { readonly sources: readonly object[] }>(spec: T): T {
  for (const source of spec.sources) Object.freeze(source);
  Object.freeze(spec.sources);
  return Object.freeze(spec);
}

/**
 * Returns the sources in the order of `source`, with absolute paths.
 * @throws L2TError INVALID_OPTION if there is none, one is given twice, or another option has too many or few values.
 */
export function listSources(options: GivenOptions): SourceDraft[] {
  const paths = [required(transferSchema, options, 'source')].flat().map((path) => absolute(path));
  const twice = paths.find((path, k) => paths.indexOf(path) !== k);
  if (twice !== undefined) throw invalidOption(`{source}: ${twice} is given twice: leave one out.`);
  const method = methodIn(options);
  const needs = needsOf(method);
  const columns = sourceRows
    .filter(({ name, about }) => about.fills !== 'path' && isRead(name, about, needs))
    .map(({ name, about }) => {
      const value = options[name] ?? defaultIn(about, { method } as RowSpec);
      return [about.fills as string, onePerSource(name, value, paths.length)] as const;
    });
  return paths.map((path, k) => {
    const fields = columns.map(([field, values]) => [field, values[k]]).filter(([, value]) => value !== undefined);
    const licence = sourceAt(path)?.licence;
    return { path, ...(licence && { licence }), ...Object.fromEntries(fields) } as SourceDraft;
  });
}

/** Returns one value for each source; a single value applies to all. */
function onePerSource(name: string, value: unknown, count: number): readonly unknown[] {
  const values = Array.isArray(value) ? value : [value];
  if (values.length === count) return values;
  if (values.length === 1) return Array(count).fill(values[0]);
  const counts = `${values.length} values of {${name}} for ${count} of {source}`;
  throw invalidOption(`${counts} do not fit: give one for all, or one for each.`);
}

type WithFirstSource<O> = {
  [K in keyof O]: K extends RowsWith<{ fills: string }> ? Exclude<O[K], readonly unknown[]> : O[K];
};

/** Returns the options with the first source alone, from which a method without pairs learns. */
export const firstSource = <O extends GivenOptions>(options: O): WithFirstSource<O> => ({
  ...(options as WithFirstSource<O>),
  ...Object.fromEntries(sourceRows.map(({ name }) => [name, [options[name]].flat()[0]])),
});

/**
 * Returns the options of which `read` makes this spec. `complete`: also those that have the default of their row, so
 * that a later version with another default reads the same.
 */
export function givenOf(spec: SpecDraft, { complete }: { readonly complete: boolean }): GivenOptions {
  const entries = rowsOf('result', 'input', 'place', 'output').flatMap((row) => {
    const { name, about } = row;
    const values = name === 'sourceLicence' && spec.sourceLicence ? [spec.sourceLicence] : [valueIn(spec, row)].flat();
    const usual = defaultIn(about, spec as RowSpec);
    if (values.every((value) => value === undefined || (!complete && value === usual))) return [];
    return [[name, Array.isArray(valueIn(spec, row)) && about.fills === undefined ? values : oneOrList(values)]];
  });
  return Object.fromEntries(entries);
}

/**
 * Returns the options of the run that fine-tunes a source first. Its images, seed and batch are those of the run
 * itself; the network, its size and the schedule are its own.
 */
export function finetuneOptions(spec: SpecDraft, source: number): GivenOptions {
  const { path, network, width, size, licence } = spec.sources[source] as SourceDraft;
  const useless: readonly string[] = uselessOptions(needsOf('finetune'));
  return {
    ...Object.fromEntries(
      Object.entries(givenOf(spec, { complete: true })).filter(([name]) => !useless.includes(name)),
    ),
    method: 'finetune',
    // ONNX files were refused before.
    target: network as NetworkName | undefined,
    width,
    size,
    targetInit: path,
    sourceLicence: licence,
    epochs: spec.sourceFinetune,
    lr: 'auto',
    minLr: undefined,
    evalEvery: undefined,
    patience: undefined,
    report: false,
    log: undefined,
    // A cache is for large images alone.
    cache: (size ?? 0) < largeSize ? undefined : spec.cache,
  };
}

/** The rows of these scopes. */
export const rowsOf = (...scopes: readonly Scope[]): readonly OptionRow[] =>
  rows.filter(({ about }) => scopes.includes(scopeOf(about)));

/** Returns a row's value in a spec; of an option of sources, one for each. */
export const valueIn = (spec: SpecDraft, { name, about: { fills } }: OptionRow): unknown =>
  fills === undefined ? spec[name as keyof SpecDraft] : spec.sources.map((source) => source[fills]);

/**
 * Returns the options that differ between a run and a draft; none if they describe the same run. With `ignorePaths`,
 * files count as the same wherever they are: their hashes are compared elsewhere.
 */
export function differences(
  run: RunSpec,
  draft: SpecDraft,
  { ignorePaths = false }: { readonly ignorePaths?: boolean } = {},
): OptionName[] {
  const compared = ignorePaths ? rowsOf('result') : rowsOf('result', 'input');
  const aligned = run.sources.length === draft.sources.length;
  const names = compared
    .filter((row) => (aligned || row.about.fills === undefined) && differs(run, draft, row))
    .map(({ name }) => name);
  return aligned ? names : [...names, 'source'];
}

function differs(run: RunSpec, draft: SpecDraft, row: OptionRow): boolean {
  const [value, found] = [valueIn(draft, row), valueIn(run, row)];
  // An option whose value `begin` finds may have any value.
  if (value === undefined && row.about.found !== undefined) return false;
  if (row.about.fills === undefined || !Array.isArray(value) || !Array.isArray(found))
    return JSON.stringify(value) !== JSON.stringify(found);
  return value.some((each, k) => each !== undefined && each !== found[k]);
}

/** Returns the options that are given with another value than the run has, which keeps its own. */
export const keptOptions = (run: RunSpec, options: GivenOptions): OptionName[] =>
  rowsOf('output')
    .filter((row) => options[row.name] !== undefined)
    .filter((row) => JSON.stringify(options[row.name]) !== JSON.stringify(valueIn(run, row)))
    .map(({ name }) => name);

/**
 * Returns the spec with the given files in place of missing ones: a folder may be copied or mounted elsewhere together
 * with them. `at` returns where a file is now.
 */
export function withFiles(spec: RunSpec, draft: SpecDraft, at: (began: string, given: string) => string): RunSpec {
  const files = rowsOf('input').flatMap((row) => {
    const pathsIn = (each: SpecDraft) => [valueIn(each, row) ?? []].flat() as string[];
    const given = pathsIn(draft);
    const moved = pathsIn(spec).map((path, k) => (given[k] === undefined ? path : at(path, given[k])));
    return moved.length > 0 ? [[row.name, row.about.repeats ? moved : moved[0]]] : [];
  });
  const sources = spec.sources.map((source, k) => {
    const given = draft.sources[k];
    return given === undefined ? source : { ...source, path: at(source.path, given.path) };
  });
  return frozen({ ...spec, ...Object.fromEntries(files), sources });
}
