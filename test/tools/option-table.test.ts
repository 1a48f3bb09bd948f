import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { verbsOf } from '../../src/cli/program.js';
import { commandLine } from '../../src/cli/verbs.js';
import { methodNames, settings } from '../../src/options/methods.js';
import { optionTable, optionTableFile, rowOf } from '../../tools/option-table.js';

/** The cells of the rows of an option. */
const rowsOf = (name: string): string[][] =>
  optionTable()
    .split('\n')
    .filter((line) => line.startsWith(`| \`${name}\` |`))
    .map((line) => line.split(' | '));

it('is what the command line says (npm run option-help)', () => {
  expect(readFileSync(optionTableFile, 'utf8')).toBe(optionTable());
});

it('has the name, default and range of every option that comes from the tables of options', async () => {
  const [transfer] = verbsOf(await commandLine()).flatMap(([verb, command]) => (verb === 'transfer' ? [command] : []));
  const onlyFlags = transfer?.options.filter((option) => rowOf(option) === undefined).map(({ long }) => long);
  expect(onlyFlags).toEqual([
    ...['--no-group', '--timeout', '--config', '--resume', '--resume-or-start', '--json', '--json-lines'],
  ]);
  expect(rowsOf('lr')[0]?.slice(2, 6)).toEqual(['auto, or a number above 0 and at most 100', 'auto', '0.1', verbs]);
});
const verbs = 'transfer, compare, curve, reproduce, pretrain';

it('names the methods that read a setting, and only those', () => {
  expect(rowsOf('temperature')[0]?.[6]).toBe('`lwf`, `lwf+at`');
  expect(rowsOf('weightDecay')[0]?.[6]).toBe('all but `l2-sp`');
  expect(rowsOf('momentum')[0]?.[6]).toBe('');
  for (const name of Object.keys(settings)) expect(rowsOf(name)).toHaveLength(1);
  expect(methodNames.filter((name) => !rowsOf('method')[0]?.[2]?.includes(name))).toEqual([]);
});
