import * as z from 'zod';
import { type About, anyPath, isPath } from './check.js';
import type { Marks } from './marks.js';

/** A schema that carries its row's marks in its type, so that the type of a spec follows from the table (spec.ts). */
export type Row<S extends z.ZodType, M extends Marks> = S & { readonly marks?: M };

/** Makes an option's row: a schema that carries the data of flags, help, messages, defaults and resumes. */
const about = <S extends z.ZodType, const M extends Marks>(
  schema: S,
  value: string,
  allowed: string,
  help: string,
  marks?: M,
  names?: readonly string[],
): Row<S, M> => schema.meta({ value, allowed, help, ...marks, ...(names && { names }) } satisfies About);

export const custom = about;
export const text = <const M extends Marks>(value: string, allowed: string, help: string, marks?: M) =>
  about(z.string().min(1), value, allowed, help, marks);
export const path = <const M extends Marks>(value: string, help: string, marks?: M) =>
  about(z.string().refine(isPath), value, anyPath, help, marks);
export const choice = <const T extends readonly string[], const M extends Marks>(names: T, help: string, marks?: M) =>
  about(z.enum(names), 'name', `one of ${names.join(', ')}`, help, marks, names);
export const whole = <const M extends Marks>(min: number, max: number, help: string, marks?: M) =>
  about(z.int().min(min).max(max), 'n', `a whole number from ${min} to ${max}`, help, marks);
export const above = <const M extends Marks>(min: number, max: number, help: string, marks?: M) =>
  about(z.number().gt(min).lte(max), 'x', `a number above ${min} and at most ${max}`, help, marks);
export const between = <const M extends Marks>(min: number, max: number, help: string, marks?: M) =>
  about(z.number().gte(min).lte(max), 'x', `a number from ${min} to ${max}`, help, marks);
export const below = <const M extends Marks>(min: number, max: number, help: string, marks?: M) =>
  about(z.number().gte(min).lt(max), 'x', `a number from ${min} and below ${max}`, help, marks);
/** A switch. With the default true, its flag says no: --no-report. */
export const toggle = <const M extends Marks>(help: string, marks?: M) =>
  about(z.boolean(), '', 'true or false', help, marks);

/** Rows that help shows together, under this heading. */
export const grouped = <R extends Readonly<Record<string, z.ZodType>>>(
  group: NonNullable<Marks['group']>,
  rows: R,
): R => Object.fromEntries(Object.entries(rows).map(([name, row]) => [name, row.meta({ ...row.meta(), group })])) as R;

/** One value or a list; on the command line the flag is repeated. */
export const repeated = <S extends z.ZodType, M extends Marks>(
  schema: Row<S, M>,
): Row<z.ZodType<z.output<S> | readonly z.output<S>[], z.input<S> | readonly z.input<S>[]>, M> =>
  z.union([schema, z.array(schema).min(1).readonly()]).meta({ ...(schema.meta() as About), repeats: true });

/** Does the same as `repeated`, but the result is always a list. */
export const repeatedList = <S extends z.ZodType, M extends Marks>(
  schema: Row<S, M>,
): Row<z.ZodType<readonly z.output<S>[], z.input<S> | readonly z.input<S>[]>, M> =>
  repeated(schema)
    .transform((values) => [values].flat() as readonly z.output<S>[])
    .meta(repeated(schema).meta() as About);

/** Returns the values of a `repeated` option in their shorter form: a single value by itself. */
export const oneOrList = <T>(values: readonly T[]): T | readonly T[] =>
  values.length === 1 ? (values[0] as T) : values;

/** A list, written as one string on the command line. YAML and the API also allow an array or a single number. */
export const listed = <const M extends Marks>(
  value: string,
  allowed: string,
  help: string,
  marks?: M,
  names?: readonly string[],
) => {
  const item = z.union([z.string().min(1), z.int()]);
  return about(z.union([item, z.array(item).min(1).readonly()]).transform(String), value, allowed, help, marks, names);
};

/**
 * Makes an option that takes some of `names`: a list of them, or one string that separates them by commas. The result
 * is a list that has each name once.
 */
export const someOf = <const T extends readonly string[], const M extends Marks>(
  names: T,
  help: string,
  marks?: M,
): Row<z.ZodType<T[number][], string | readonly T[number][]>, M> => {
  const written = z.string().transform((list) => list.split(',').map((name) => name.trim()));
  const chosen = z.union([written, z.array(z.enum(names)).readonly()]).pipe(z.array(z.enum(names)).min(1));
  const allowed = `some of ${names.join(', ')}, separated by commas`;
  const once: z.ZodType<T[number][], string | readonly T[number][]> = chosen.transform((list) => [...new Set(list)]);
  return about(once, 'list', allowed, help, marks, names);
};
