import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { collect, compare, evaluate, exportNetwork, loadCheckpoint } from '../../src/index.js';
import { refusal } from '../outcomes.js';
import { cli, newPath, temporaryFolder, tinyData, tinyOptions, tinySource } from '../tiny.js';

const { pairs: _, ...common } = tinyOptions;
const label = 'network.onnx (ONNX Runtime)';
let data: string;
let checkpoint: string;
let onnx: string;
beforeAll(async () => {
  data = tinyData();
  checkpoint = await tinySource({ width: 0.25 }, { names: ['right', 'left', 'middle'] });
  onnx = join(temporaryFolder(), 'network.onnx');
  await exportNetwork(await loadCheckpoint(checkpoint), { to: 'onnx', out: onnx });
});
const options = () => ({ ...common, data, source: undefined, methods: 'scratch', epochs: 1, seeds: 2 });

describe('networks beside the methods of a comparison', { timeout: 120_000 }, () => {
  it('have rows with what eval says of them, with their speed, in the table, its files and its page', async () => {
    const out = newPath();
    const tested: number[] = [];
    const onTested = (done: number) => tested.push(done);
    const { rows } = await compare({ ...options(), with: [onnx, checkpoint], out, onTested });
    const { accuracy } = await evaluate(onnx, { data });
    expect(rows[1]).toMatchObject({
      label,
      method: null,
      path: onnx,
      accuracies: [accuracy, accuracy],
      mean: accuracy,
    });
    expect([rows[1]?.parameters, rows[1]?.runs, rows[1]?.deviation]).toEqual([null, [], undefined]);
    expect(rows[2]).toMatchObject({ method: null, path: checkpoint, mean: accuracy, parameters: expect.any(Number) });
    for (const { inference } of rows) expect(inference?.batch1).toBeGreaterThan(0);
    expect(tested).toEqual([30, 30]);
    const share = (100 * accuracy).toFixed(1);
    expect(readFileSync(join(out, 'comparison.md'), 'utf8')).toMatch(
      new RegExp(`\\| network\\.onnx \\(ONNX Runtime\\) \\| ${share} \\|  \\|.* ms \\| [\\d.]+ ms \\|`),
    );
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain(label);
  });

  it('are tested when the runs are planned; one that has changed since then is not timed', async () => {
    const [out, copy] = [temporaryFolder(), join(temporaryFolder(), 'network.onnx')];
    writeFileSync(copy, readFileSync(onnx));
    const flags = ['--data', data, '--methods', 'scratch', '--seeds', '1', '--epochs', '1', '--target', 'vgg9_bn'];
    const small = ['--width', '0.125', '--size', '32', '--batch', '6'];
    const planned = await cli(['compare', ...flags, ...small, '--with', copy, '--plan', out]);
    expect([planned.code, planned.stderr]).toEqual([0, '']);
    const runs = readFileSync(join(out, 'runs.txt'), 'utf8').trim().split('\n');
    expect([runs.length, runs[0]]).toEqual([1, expect.not.stringContaining('onnx')]);
    const [, ...words] = (runs[0] as string).split(' ');
    expect(await cli(words, { cwd: out })).toMatchObject({ code: 0 });
    // A field that readers skip: the network is the same, the file is not.
    appendFileSync(copy, Buffer.from([0xf8, 0x7f, 0]));
    const warnings: string[] = [];
    const { rows } = await collect(out, { onWarning: (message) => warnings.push(message) });
    expect([rows[0]?.inference, rows[1]?.inference]).toEqual([expect.anything(), null]);
    expect(warnings).toEqual([expect.stringMatching(/network\.onnx is not measured: .* has changed/)]);
  });

  it.each([
    [() => ({ with: [onnx, onnx] }), /two rows of the table would be named network\.onnx/],
    [() => ({ classNames: 'names.txt' }), /\{?classNames\}? names the classes of the networks of/],
  ])('are refused where a row would not be told from another, or where there are none (%#)', async (more, message) => {
    await expect(compare({ ...options(), ...more(), out: temporaryFolder() })).rejects.toThrow(
      refusal('INVALID_OPTION', message),
    );
  });

  it('are refused before a run begins where the data has a class that they do not know', async () => {
    const other = await tinySource({ width: 0.25 }, { names: ['right', 'left', 'other'] });
    const begun = compare({ ...options(), with: [other], out: temporaryFolder() });
    await expect(begun).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });
});
