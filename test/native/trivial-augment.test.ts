import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { programPath } from './program.js';

/** torchvision's results (tools/trivial-augment.py). */
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/trivial-augment/${name}`, import.meta.url));

interface Case {
  readonly operation: string;
  readonly bin: number;
  readonly negative: boolean;
}
const cases: readonly Case[] = JSON.parse(readFileSync(fixture('cases.json'), 'utf8'));
const bytes = 32 * 32 * 3;
const imagesOf = (all: Buffer) =>
  Array.from({ length: all.length / bytes }, (_, k) => all.subarray(k * bytes, (k + 1) * bytes));
const [original, ...expected] = imagesOf(readFileSync(fixture('images.bin'))) as [Buffer, ...Buffer[]];

const words = cases.flatMap(({ operation, bin, negative }) => [operation, String(bin), negative ? '-' : '+']);
const results = imagesOf(execFileSync(programPath('augment'), [fixture('images.bin'), ...words]));

describe("TrivialAugmentWide is torchvision's, byte for byte", () => {
  it.each(cases.map((each, k) => [`${each.operation} ${each.negative ? '−' : ''}${each.bin}`, k] as const))(
    '%s',
    (_, k) => {
      expect(results[k]?.equals(expected[k] as Buffer)).toBe(true);
      // An operation that does nothing would agree, too.
      expect(results[k]?.equals(original)).toBe(cases[k]?.operation === 'Identity');
    },
  );
});
