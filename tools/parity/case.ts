import * as z from 'zod';
import { L2TError } from '../../src/errors.js';
import type { Pair } from '../../src/native/addon.js';
import type { MethodName } from '../../src/options/methods.js';
import { readText } from '../../src/system/files.js';

const count = z.int().min(1);
const pairs = z.array(z.tuple([z.int().min(0), z.int().min(0)])).default([]);
const bounds = z.object({ grad: z.number(), rest: z.number() });

const description = z.object({
  size: count,
  batch: count,
  seed: z.int().min(0),
  classes: count,
  source: z.string().optional(),
  sourceClasses: count.optional(),
  /** For each class, the index of the first source's output, of the method kd. */
  sourceOrder: z.array(z.int().min(0)).optional(),
  pairs,
  sources: z.array(z.object({ network: z.string(), classes: count, pairs })).optional(),
  target: z.string(),
  what: z.boolean().default(false),
  where: z.boolean().default(false),
  T: count.default(2),
  beta: z.number(),
  lr: z.number(),
  momentum: z.number(),
  weightDecay: z.number(),
  method: z.string().default('l2t'),
  iterations: count.default(1),
  metaLr: z.number().default(1e-4),
  metaWeightDecay: z.number().default(1e-4),
  float32: z.object({ direct: bounds, winograd: bounds }).optional(),
});

export interface CaseSource {
  /** Prefix of its tensors' names in the generator: `source.` or `source.k.`. */
  readonly prefix: string;
  readonly network: string;
  readonly classes: number;
  readonly pairs: readonly Pair[];
}

/** One fixture's description, completed; the fixtures' README says what each field means. */
export interface Case extends Omit<z.output<typeof description>, 'source' | 'sourceClasses' | 'sources' | 'pairs'> {
  readonly sources: readonly CaseSource[];
}

/** Throws FILE_ACCESS, or INVALID_DATA naming the field. */
export async function readCase(path: string): Promise<Case> {
  const text = await readText(path);
  let parsed: z.output<typeof description>;
  try {
    parsed = description.parse(JSON.parse(text));
  } catch (cause) {
    const problem = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new L2TError('INVALID_DATA', [`${path} does not describe a case:`, ...problem.split('\n')], { cause });
  }
  const { source, sourceClasses, sources, pairs: single, ...rest } = parsed;
  if (sources) return { ...rest, sources: sources.map((entry, k) => ({ prefix: `source.${k}.`, ...entry })) };
  if (source === undefined) return { ...rest, sources: [] };
  if (sourceClasses === undefined) throw new L2TError('INVALID_DATA', `${path} names a source but no sourceClasses.`);
  return { ...rest, sources: [{ prefix: 'source.', network: source, classes: sourceClasses, pairs: single }] };
}

/** The package's name for a case's method; undefined where it has none yet. */
export function methodOf({ method, what, where }: Case): MethodName | undefined {
  if (['scratch', 'at', 'lwf', 'lwf+at', 'kd'].includes(method)) return method as MethodName;
  if (method !== 'l2t') return undefined;
  if (what && where) return 'l2t-ww';
  if (what) return 'l2t-w';
  return where ? 'amounts-only' : 'fm';
}
