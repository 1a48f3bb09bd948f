import type { SplitName } from '../options/datasets.js';

/** The splits that folders beside one another may be called, in lower case. */
export const splitOfFolder: ReadonlyMap<string, SplitName> = new Map([
  ['train', 'train'],
  ['val', 'validation'],
  ['valid', 'validation'],
  ['validation', 'validation'],
  ['test', 'test'],
]);

/** What a table, or the name of a file of tables, may call a split besides: the names that Hugging Face's `datasets` knows. */
const inTables: ReadonlyMap<string, SplitName> = new Map([
  ...splitOfFolder,
  ['training', 'train'],
  ['dev', 'validation'],
  ['testing', 'test'],
  ['eval', 'test'],
  ['evaluation', 'test'],
]);

/** The split that a table's cell, or a word of a file's name, means. */
export const splitCalled = (name: string): SplitName | undefined => inTables.get(name.toLowerCase());

/** All names that `splitCalled` knows, for messages. */
export const splitWords = [...inTables.keys()].join(', ');
