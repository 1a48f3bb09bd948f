import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Counts } from './cases.js';

const file = fileURLToPath(new URL('../../../bench/operations.json', import.meta.url));

/** By which factor a count may exceed the recorded one. More round trips or waits are not allowed. */
const allowed = { operations: 1.1, copies: 1.1, uploads: 1, downloads: 1, waits: 1 };
const kinds = Object.keys(allowed) as (keyof Counts)[];

/** Counts by a name such as `vgg9_bn l2t-ww native reference`. */
export type Recorded = Readonly<Record<string, Counts>>;

/** In the file, a row of numbers for each name. */
interface RecordFile {
  readonly kinds: readonly string[];
  readonly counts: Readonly<Record<string, readonly number[]>>;
}

export function readRecord(): Recorded {
  const { kinds, counts }: RecordFile = JSON.parse(readFileSync(file, 'utf8'));
  const named = (row: readonly number[]) => Object.fromEntries(kinds.map((kind, i) => [kind, row[i]]));
  return Object.fromEntries(Object.entries(counts).map(([name, row]) => [name, named(row) as unknown as Counts]));
}

/** A line for each name, as the formatter would write it. */
export function writeRecord(recorded: Recorded): void {
  const list = (values: readonly (string | number)[]) => `[${values.map((each) => JSON.stringify(each)).join(', ')}]`;
  const rows = Object.entries(recorded).map(
    ([name, counts]) => `    "${name}": ${list(kinds.map((kind) => counts[kind]))}`,
  );
  writeFileSync(file, `{\n  "kinds": ${list(kinds)},\n  "counts": {\n${rows.join(',\n')}\n  }\n}\n`);
}

/** A sentence for each count that is too high. */
export function excess(name: string, counts: Counts, recorded: Counts | undefined): string[] {
  const advice = 'If that must be so, record it: npm run operations';
  if (recorded === undefined) return [`${name} is not in bench/operations.json. ${advice}`];
  return kinds
    .filter((kind) => counts[kind] > recorded[kind] * allowed[kind])
    .map((kind) => `${name}: ${counts[kind]} ${kind}, but ${recorded[kind]} in bench/operations.json. ${advice}`);
}
