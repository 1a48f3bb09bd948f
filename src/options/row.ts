import * as z from 'zod';
import { type About, anyPath, isPath, type Values } from './check.js';

/** An option's row: a schema that carries what flags, help, messages and defaults say of it. */
const about = <S extends z.ZodType>(schema: S, value: string, allowed: string, help: string, values: Values = {}): S =>
  schema.meta({ value, allowed, help, ...values } satisfies About);

export const custom = about;
export const text = (value: string, allowed: string, help: string, values?: Values) =>
  about(z.string().min(1), value, allowed, help, values);
export const path = (value: string, help: string, values?: Values) =>
  about(z.string().refine(isPath), value, anyPath, help, values);
export const choice = <const T extends readonly string[]>(names: T, help: string, values?: Values) =>
  about(z.enum(names), 'name', `one of ${names.join(', ')}`, help, values);
export const whole = (min: number, max: number, help: string, values?: Values) =>
  about(z.int().min(min).max(max), 'n', `a whole number from ${min} to ${max}`, help, values);
export const above = (min: number, max: number, help: string, values?: Values) =>
  about(z.number().gt(min).lte(max), 'x', `a number above ${min} and at most ${max}`, help, values);
export const between = (min: number, max: number, help: string, values?: Values) =>
  about(z.number().gte(min).lte(max), 'x', `a number from ${min} to ${max}`, help, values);
/** A switch. With the default true, its flag says no: --no-report. */
export const yes = (help: string, values?: Values) => about(z.boolean(), '', 'true or false', help, values);

/** One value or a list; on the command line the flag is repeated. */
export const repeated = <S extends z.ZodType>(schema: S) =>
  z.union([schema, z.array(schema).min(1).readonly()]).meta({ ...(schema.meta() as About), repeats: true });

/** What an option of `repeated` takes, in its shorter form: a single value by itself. */
export const oneOrList = <T>(values: readonly T[]): T | readonly T[] =>
  values.length === 1 ? (values[0] as T) : values;

/** A list, written as one string on the command line. YAML and the API also allow an array or a single number. */
export const listed = (value: string, allowed: string, help: string, values?: Values) => {
  const item = z.union([z.string().min(1), z.int()]);
  return about(z.union([item, z.array(item).min(1).readonly()]).transform(String), value, allowed, help, values);
};

/**
 * Some of `names`: a list of them, or one string that separates them by commas. The result is a list that has each name
 * once.
 */
export const someOf = <const T extends readonly string[]>(names: T, help: string) => {
  const written = z.string().transform((list) => list.split(',').map((name) => name.trim()));
  const chosen = z.union([written, z.array(z.enum(names)).readonly()]).pipe(z.array(z.enum(names)).min(1));
  const allowed = `some of ${names.join(', ')}, separated by commas`;
  return about(
    chosen.transform((list) => [...new Set(list)]),
    'list',
    allowed,
    help,
  );
};
