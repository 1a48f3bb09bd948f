import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, cliUntil, flagsOf, newPath, tinyData, tinyOptions } from '../tiny.js';

const data = tinyData(4);
const { pairs: _, ...options } = { ...tinyOptions, data, epochs: 1 };
const parsed = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const types = (lines: readonly { type: string }[]) => lines.map(({ type }) => type);

it('prints the events of a run, one a line, and last the result', async () => {
  const run = newPath();
  const { code, stdout } = await cli([
    'transfer',
    ...flagsOf({ ...options, method: 'scratch', out: run }),
    '--json-lines',
  ]);
  const lines = parsed(stdout);
  expect(code).toBe(0);
  expect(types(lines)).toEqual(expect.arrayContaining(['start', 'step', 'epoch', 'checkpoint']));
  expect(lines.find(({ type }) => type === 'start')).toMatchObject({ run, target: 'vgg9_bn', epochs: 1 });
  expect(lines.at(-1)).toMatchObject({ type: 'result', run, total: 30, checkpoint: join(run, 'best.safetensors') });
});

it('prints last why there is no result', async () => {
  const refused = await cli(['transfer', '--data', data, '--json-lines']);
  expect([refused.code, parsed(refused.stdout)]).toEqual([
    2,
    [{ type: 'error', code: 'INVALID_OPTION', message: expect.stringMatching(/^--source and --target are missing\./) }],
  ]);
  const { target: network, ...rest } = options;
  const args = ['pretrain', ...flagsOf({ ...rest, network, epochs: 100_000, out: newPath() })];
  const { child, ended } = await cliUntil([...args, '--json-lines'], /epoch +1\//);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect([code, parsed(stdout).at(-1)]).toMatchObject([130, { type: 'error', code: 'ABORTED' }]);
  expect((await cli(['transfer', '--json', '--json-lines'])).code).toBe(2);
});

it('tells the runs of an experiment apart', async () => {
  const out = newPath('out');
  const { stdout } = await cli([
    'compare',
    ...flagsOf({ ...options, methods: 'scratch', seeds: 2, out }),
    '--json-lines',
  ]);
  const lines = parsed(stdout);
  const starts = lines.filter(({ type }) => type === 'start');
  expect(starts.map(({ label, seed }) => [label, seed]).sort()).toEqual([
    ['scratch', 0],
    ['scratch', 1],
  ]);
  expect(lines.at(-1)).toMatchObject({ type: 'result', out, rows: [{ label: 'scratch' }] });
});
