import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ImageList } from '../../../src/data/dataset.js';
import { openDataset } from '../../../src/data/load.js';
import type { Layout } from '../../../src/options/datasets.js';
import { failure, temporaryFolder, write } from '../generate.js';

type Change = (folder: string) => unknown;

export const remove = (name: string) => (folder: string) => rmSync(join(folder, name), { recursive: true });
export const replace = (name: string, content: string | Uint8Array) => (folder: string) =>
  write(join(folder, name), content);
export const cut = (name: string, bytes: number) => (folder: string) => truncateSync(join(folder, name), bytes);
export const change = (name: string, from: string, to: string) => (folder: string) =>
  write(join(folder, name), readFileSync(join(folder, name), 'utf8').replace(from, to));

/** Writes a sound data set, damages it, and expects the message. A row is a message and the damage before it. */
export function itRefuses(layout: Layout, make: Change, rows: readonly (readonly [RegExp, Change])[]): void {
  it.each(rows)(`${layout} is refused: %s`, async (message, damage) => {
    const folder = temporaryFolder();
    await make(folder);
    await damage(folder);
    const refused = { code: 'INVALID_DATA', message: expect.stringMatching(message) };
    expect(await failure(openDataset(folder, { layout }))).toMatchObject(refused);
  });
}

export const labelsOf = (list: ImageList | undefined): number[] => [...(list?.labels ?? [])];

export const namesOf = (list: ImageList | undefined): string[] =>
  Array.from({ length: list?.count ?? 0 }, (_, index) => (list as ImageList).name(index));

export async function pixelsOf(list: ImageList | undefined, index: number): Promise<Uint8Array> {
  return Uint8Array.from((await list?.read(index))?.pixels ?? []);
}
