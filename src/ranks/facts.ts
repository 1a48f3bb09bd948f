import { type ErrorCode, L2TError } from '../errors.js';
import { shown } from '../system/printable.js';

/** A fact that all ranks must have in common. */
export interface Fact {
  /** Its name in a message, as `{epochs}` or 'the data'. */
  readonly what: string;
  /** Any value that JSON can hold. */
  readonly value: unknown;
  /** Code of the error if it differs. */
  readonly code: ErrorCode;
  /** True if the value means nothing to a person, such as a hash. */
  readonly hidden?: boolean;
}

/**
 * Compares the facts of all ranks, in the order of ranks, with those of rank 0.
 * @throws L2TError that names the first one that differs, and the rank.
 */
export function requireEqualFacts(all: readonly (readonly Fact[])[]): void {
  const [first = []] = all;
  all.forEach((facts, rank) => {
    // Options come first: a hash says less than an option from which it may follow.
    const both = [...first, ...facts].sort((a, b) => Number(a.hidden ?? false) - Number(b.hidden ?? false));
    const names = [...new Set(both.map(({ what }) => what))];
    for (const what of names) {
      const [expected, found] = [first, facts].map((list) => list.find((fact) => fact.what === what));
      if (JSON.stringify(expected?.value) !== JSON.stringify(found?.value)) throw differs(what, rank, expected, found);
    }
  });
}

function differs(what: string, rank: number, expected: Fact | undefined, found: Fact | undefined): L2TError {
  const fact = (expected ?? found) as Fact;
  const values = fact.hidden ? '' : `: ${written(found)} there, ${written(expected)} on rank 0`;
  return new L2TError(
    fact.code,
    `Rank ${rank} differs from rank 0 in ${what}${values}. All ranks of a run must have the same.`,
  );
}

const written = (fact: Fact | undefined): string =>
  fact?.value === undefined ? 'not given' : shown(JSON.stringify(fact.value), 200);
