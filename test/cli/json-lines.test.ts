import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { cli, cliUntil, temporaryFolder, tinyData, tinyFlags } from '../tiny.js';

const data = tinyData(4);
const flags = tinyFlags.slice(0, tinyFlags.indexOf('--pairs'));
const scratch = ['--data', data, '--method', 'scratch', ...flags];
const parsed = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const types = (lines: readonly { type: string }[]) => lines.map(({ type }) => type);

it('prints the events of a run, one a line, and last the result', async () => {
  const run = join(temporaryFolder(), 'run');
  const { code, stdout } = await cli(['transfer', ...scratch, '--epochs', '1', '--json-lines', '--out', run]);
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
  const out = join(temporaryFolder(), 'run');
  const args = ['pretrain', '--network', 'vgg9_bn', '--data', data, ...flags.slice(2), '--epochs', '100000'];
  const { child, ended } = await cliUntil([...args, '--json-lines', '--out', out], /epoch +1\//);
  child.kill('SIGINT');
  const { code, stdout } = await ended;
  expect([code, parsed(stdout).at(-1)]).toMatchObject([130, { type: 'error', code: 'ABORTED' }]);
  expect((await cli(['transfer', '--json', '--json-lines'])).code).toBe(2);
});

it('tells the runs of an experiment apart', async () => {
  const out = join(temporaryFolder(), 'out');
  const args = [...scratch.filter((word) => !['--method', 'scratch'].includes(word)), '--methods', 'scratch'];
  const { stdout } = await cli(['compare', ...args, '--epochs', '1', '--seeds', '2', '--json-lines', '--out', out]);
  const lines = parsed(stdout);
  const starts = lines.filter(({ type }) => type === 'start');
  expect(starts.map(({ label, seed }) => [label, seed]).sort()).toEqual([
    ['scratch', 0],
    ['scratch', 1],
  ]);
  expect(lines.at(-1)).toMatchObject({ type: 'result', out, rows: [{ label: 'scratch' }] });
});

it('a run that is aborted does not end the process, whoever awaits its result', async () => {
  const api = fileURLToPath(new URL('../../src/index.ts', import.meta.url));
  const out = join(temporaryFolder(), 'run');
  const options = { data, method: 'scratch', target: 'vgg9_bn', width: 0.125, epochs: 100_000, threads: 1, out };
  const program = `
    const { transfer } = await import(${JSON.stringify(api)});
    const controller = new AbortController();
    const run = transfer({ ...${JSON.stringify(options)}, signal: controller.signal });
    setTimeout(() => controller.abort(), 1000);
    setTimeout(() => console.log('still here'), 5000);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    program,
  ]);
  expect(stdout).toBe('still here\n');
});
