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

// The options of a run, in one shape: what `read` makes of what was given, `begin` completes, options.yaml records, and
// the native part takes.

/** A source of a run. */
export interface SourceSpec {
  /** Its checkpoint, or its ONNX file. */
  readonly path: string;
  readonly network: NetworkName | 'onnx';
  readonly width: number;
  /** Side of its images, pixels. */
  readonly size: number;
  /** Of an ONNX file: its feature maps, and the version of ONNX Runtime that runs it. */
  readonly onnx?: { readonly runtime: string; readonly maps: readonly OnnxMapSpec[] } | undefined;
  /** Of an ONNX file, as it was given: names of its feature maps, its extra tokens, how its images are normalised. */
  readonly maps?: string | undefined;
  readonly tokens?: number | undefined;
  readonly normalisation?: string | undefined;
  /** The configuration of its pairs of features; absent if the method matches none. */
  readonly pairs?: string | undefined;
  /** As the person stated it. */
  readonly licence?: string | undefined;
}

/** A feature map of an ONNX file: the name of its tensor, its channels, its height and width. */
export interface OnnxMapSpec {
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

/** The options of a run: every row that its method reads, with its default where none was given. Paths are absolute. */
export type RunSpec = Filled &
  Optional & {
    /** None if the method reads no source. */
    readonly sources: readonly SourceSpec[];
    /** The licence of `targetInit`, of a method that starts from it. */
    readonly sourceLicence?: string | undefined;
  };

/** A spec without what `begin` finds out. */
export type SpecDraft = Omit<RunSpec, FoundKey | 'sources'> & {
  readonly [K in FoundKey]?: RunSpec[K] | undefined;
} & { readonly sources: readonly SourceDraft[] };

/** A source whose network, width and size may be in its checkpoint. */
export type SourceDraft = Omit<SourceSpec, SourceFact> & Partial<Pick<SourceSpec, Exclude<SourceFact, 'onnx'>>>;

/** What a source's file says of it. */
type SourceFact = 'network' | 'width' | 'size' | 'onnx';

/** What a spec follows from besides what was given. */
export interface Facts extends RowFacts {
  /** What the sources' checkpoints hold. */
  readonly sources: readonly Pick<SourceSpec, SourceFact>[];
}

type GivenOptions = Given<typeof transferSchema>;
type OptionName = keyof Shape;
type OptionRow = (typeof rows)[number];

export const scopeOf = ({ scope = 'result' }: Marks) => scope;

/** The rows that a spec records one by one. */
export const recordedRows = rows.filter(({ about }) => about.fills === undefined && scopeOf(about) !== 'call');
const sourceRows = rows.filter(({ about }) => about.fills !== undefined);

/**
 * Checks the options of a run together, and fills in every default that needs no data.
 * @throws L2TError INVALID_OPTION.
 */
export function read(given: GivenOptions): SpecDraft {
  for (const { name, about } of rows) if (about.needed) required(transferSchema, given, name);
  requireConsistent(given);
  const method = methodIn(given);
  const known = { ...given, method } as unknown as RowSpec;
  const needs = needsOf(method);
  const values = recordedRows
    .filter(({ name, about }) => isRead(name, about, needs))
    .map(({ name, about }) => [name, given[name] ?? defaultIn(about, known), about] as const)
    .filter(([, value]) => value !== undefined)
    .map(([name, value, about]) => [name, changePaths(about, value, absolute)]);
  const options = Object.fromEntries(values);
  requireFitting(options);
  const { source, start } = needs;
  const [licence] = [given.sourceLicence].flat();
  return frozen({
    ...(options as Omit<SpecDraft, 'sources'>),
    sources: source ? listSources(given) : [],
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

/** The spec of a run that begins. It does not change any more. */
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

/** A run's spec with other values of `place`: a resume may change these alone. */
export const placedAt = (spec: RunSpec, place: Partial<Pick<RunSpec, 'device' | 'threads' | 'cache'>>): RunSpec =>
  frozen({ ...spec, ...place });

function frozen<T extends { readonly sources: readonly object[] }>(spec: T): T {
  for (const source of spec.sources) Object.freeze(source);
  Object.freeze(spec.sources);
  return Object.freeze(spec);
}

/**
 * The sources in the order of `source`, with absolute paths.
 * @throws L2TError INVALID_OPTION if there is none, one is given twice, or another option has too many or few values.
 */
export function listSources(given: GivenOptions): SourceDraft[] {
  const paths = [required(transferSchema, given, 'source')].flat().map((path) => absolute(path));
  const twice = paths.find((path, k) => paths.indexOf(path) !== k);
  if (twice !== undefined) throw invalidOption(`{source}: ${twice} is given twice: leave one out.`);
  const method = methodIn(given);
  const needs = needsOf(method);
  const columns = sourceRows
    .filter(({ name, about }) => about.fills !== 'path' && isRead(name, about, needs))
    .map(({ name, about }) => {
      const value = given[name] ?? defaultIn(about, { method } as RowSpec);
      return [about.fills as string, onePerSource(name, value, paths.length)] as const;
    });
  return paths.map((path, k) => {
    const fields = columns.map(([field, values]) => [field, values[k]]).filter(([, value]) => value !== undefined);
    const licence = sourceAt(path)?.licence;
    return { path, ...(licence && { licence }), ...Object.fromEntries(fields) } as SourceDraft;
  });
}

/** One value applies to all sources. */
function onePerSource(name: string, given: unknown, count: number): readonly unknown[] {
  const values = Array.isArray(given) ? given : [given];
  if (values.length === count) return values;
  if (values.length === 1) return Array(count).fill(values[0]);
  const counts = `${values.length} values of {${name}} for ${count} of {source}`;
  throw invalidOption(`${counts} do not fit: give one for all, or one for each.`);
}

type WithFirstSource<O> = {
  [K in keyof O]: K extends RowsWith<{ fills: string }> ? Exclude<O[K], readonly unknown[]> : O[K];
};

/** The options with the first source alone, which a method without pairs learns from. */
export const firstSource = <O extends GivenOptions>(given: O): WithFirstSource<O> => ({
  ...(given as WithFirstSource<O>),
  ...Object.fromEntries(sourceRows.map(({ name }) => [name, [given[name]].flat()[0]])),
});

/**
 * The options that `read` makes this spec of. `complete`: also those that have the default of their row, so that a later
 * version with another default reads the same.
 */
export function givenOf(spec: SpecDraft, { complete }: { readonly complete: boolean }): GivenOptions {
  const given = rowsOf('result', 'input', 'place', 'output').flatMap((row) => {
    const { name, about } = row;
    const values = name === 'sourceLicence' && spec.sourceLicence ? [spec.sourceLicence] : [valueIn(spec, row)].flat();
    const usual = defaultIn(about, spec as RowSpec);
    if (values.every((value) => value === undefined || (!complete && value === usual))) return [];
    return [[name, Array.isArray(valueIn(spec, row)) && about.fills === undefined ? values : oneOrList(values)]];
  });
  return Object.fromEntries(given);
}

/**
 * The options of the run that fine-tunes a source first: those of the run itself, of which it has the images, the seed and
 * the batch. The network, its size and the schedule are its own.
 */
export function finetuneOptions(spec: SpecDraft, source: number): GivenOptions {
  const { path, network, width, size, licence } = spec.sources[source] as SourceDraft;
  const useless: readonly string[] = uselessOptions(needsOf('finetune'));
  return {
    ...Object.fromEntries(
      Object.entries(givenOf(spec, { complete: true })).filter(([name]) => !useless.includes(name)),
    ),
    method: 'finetune',
    // An ONNX file is refused before.
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

/** A row's value in a spec; of an option of sources, one for each. */
export const valueIn = (spec: SpecDraft, { name, about: { fills } }: OptionRow): unknown =>
  fills === undefined ? spec[name as keyof SpecDraft] : spec.sources.map((source) => source[fills]);

/**
 * The options that differ between a run and what is wanted now; none if they describe the same run. With `ignorePaths`,
 * files count as the same wherever they are: their hashes are compared elsewhere.
 */
export function differences(
  run: RunSpec,
  wanted: SpecDraft,
  { ignorePaths = false }: { readonly ignorePaths?: boolean } = {},
): OptionName[] {
  const compared = ignorePaths ? rowsOf('result') : rowsOf('result', 'input');
  const aligned = run.sources.length === wanted.sources.length;
  const names = compared
    .filter((row) => (aligned || row.about.fills === undefined) && differs(run, wanted, row))
    .map(({ name }) => name);
  return aligned ? names : [...names, 'source'];
}

function differs(run: RunSpec, wanted: SpecDraft, row: OptionRow): boolean {
  const [value, found] = [valueIn(wanted, row), valueIn(run, row)];
  // What `begin` found may be any value.
  if (value === undefined && row.about.found !== undefined) return false;
  if (row.about.fills === undefined || !Array.isArray(value) || !Array.isArray(found))
    return JSON.stringify(value) !== JSON.stringify(found);
  return value.some((each, k) => each !== undefined && each !== found[k]);
}

/** The options that are given with another value than the run has, and which it keeps as they are. */
export const keptOptions = (run: RunSpec, given: GivenOptions): OptionName[] =>
  rowsOf('output')
    .filter((row) => given[row.name] !== undefined)
    .filter((row) => JSON.stringify(given[row.name]) !== JSON.stringify(valueIn(run, row)))
    .map(({ name }) => name);

/**
 * The spec with the given files in place of those that are not there any more: a folder may be copied or mounted
 * elsewhere together with them. `at` returns where a file is now.
 */
export function withFiles(spec: RunSpec, wanted: SpecDraft, at: (began: string, given: string) => string): RunSpec {
  const files = rowsOf('input').flatMap((row) => {
    const [began, given] = [spec, wanted].map((each) => [valueIn(each, row) ?? []].flat() as string[]);
    const moved = began?.map((path, k) => (given?.[k] === undefined ? path : at(path, given[k])));
    return moved?.length ? [[row.name, row.about.repeats ? moved : moved[0]]] : [];
  });
  const sources = spec.sources.map((source, k) => {
    const given = wanted.sources[k];
    return given === undefined ? source : { ...source, path: at(source.path, given.path) };
  });
  return frozen({ ...spec, ...Object.fromEntries(files), sources });
}
