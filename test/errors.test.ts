import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../setup/files.mjs';
import { type ErrorCode, L2TError } from '../src/errors.js';

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');
const below = (folder: string, ending: RegExp): string[] =>
  (readdirSync(join(packageRoot, folder), { recursive: true }) as string[])
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));

const union = read('src/errors.ts').split('export type ErrorCode')[1] ?? '';
const codes = [...union.matchAll(/\| '([A-Z_]+)'/g)].map(([, code]) => code as ErrorCode);

describe('error codes', () => {
  it('are found', () => {
    expect(codes.length).toBeGreaterThan(5);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('docs/errors.md has a section for each, in the same order, and for nothing else', () => {
    const sections = [...read('docs/errors.md').matchAll(/^## `?([A-Z_]+)`?$/gm)].map(([, code]) => code);
    expect(sections).toEqual(codes);
  });

  it('the native part and the set-up use no others', () => {
    const native = [...below('native', /\.(cc|h)$/), ...below('binding', /\.(cc|h)$/)];
    const find = (path: string, pattern: RegExp) =>
      [...read(path).matchAll(pattern)].map(([, first, second]) => ({ path, code: first ?? second }));
    const used = [
      ...native.flatMap((path) => find(path, /\bError\(\s*"([^"]*)"|\{"([A-Z_]+)", /g)),
      ...below('setup', /\.mjs$/).flatMap((path) => find(path, /\bcode: '([A-Z_]+)'/g)),
    ];
    expect(used.length).toBeGreaterThan(20);
    expect(used.filter(({ code }) => !codes.includes(code as ErrorCode))).toEqual([]);
  });
});

describe('L2TError', () => {
  it('is an Error with a name, a code and a cause', () => {
    const cause = new Error('underneath');
    const error = new L2TError('INVALID_DATA', 'What is wrong.', { cause });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message, error.cause]).toEqual([
      ...['L2TError', 'INVALID_DATA', 'What is wrong.'],
      cause,
    ]);
  });
});
