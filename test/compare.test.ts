import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, type Follow, resumeComparison } from '../src/index.js';
import { cli, temporaryFolder, tinyData, tinyOptions, tinySource } from './tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});
const { pairs: _, ...common } = tinyOptions;
const out = () => join(temporaryFolder(), 'comparison');
const tiny = () => ({ ...common, data, source, epochs: 1, seeds: 2 });

describe('compare', { timeout: 120_000 }, () => {
  it('runs each method with each seed, and writes the table; what is missing of it is done by a resume', async () => {
    const options = { ...tiny(), methods: 'scratch, lwf,fm:all-to-all,l2t-ww', metaLr: 1e-3, beta: 1, out: out() };
    const first = await compare(options);
    expect(first.rows.map(({ label }) => label)).toEqual(['scratch', 'lwf', 'fm:all-to-all', 'l2t-ww']);
    for (const { accuracies, mean, deviation, validation, runs } of first.rows) {
      expect(mean).toBeCloseTo(((accuracies[0] as number) + (accuracies[1] as number)) / 2, 12);
      expect(deviation).toBeCloseTo(Math.abs((accuracies[0] as number) - (accuracies[1] as number)) / Math.SQRT2, 12);
      expect([validation?.length, runs.length]).toEqual([2, 2]);
    }
    const table = readFileSync(join(options.out, 'comparison.md'), 'utf8');
    expect(table.split('\n')[2]).toMatch(/^\| scratch \| \d+\.\d ± \d+\.\d \| \d+\.\d, \d+\.\d \|/);
    expect(readFileSync(join(options.out, 'comparison.csv'), 'utf8')).toMatch(
      /^method,mean,deviation,seconds,seed 0,seed 1\n"scratch",/,
    );

    rmSync(first.rows[2]?.runs[1] as string, { recursive: true });
    const again = await resumeComparison(options.out);
    expect(again.rows.map(({ accuracies }) => accuracies)).toEqual(first.rows.map(({ accuracies }) => accuracies));
  });

  it('says how to go on where it is interrupted', async () => {
    const controller = new AbortController();
    const follow: Follow = async (run) => {
      controller.abort();
      return run.result;
    };
    const options = { ...tiny(), methods: 'scratch', out: out(), signal: controller.signal, follow };
    const message = `compare --resume ${options.out}`;
    await expect(compare(options)).rejects.toMatchObject({
      code: 'ABORTED',
      message: expect.stringContaining(message),
    });
    expect((await resumeComparison(options.out)).rows[0]?.accuracies.length).toBe(2);
  });

  it('is refused after one run where the data has no test images', async () => {
    const folder = temporaryFolder();
    cpSync(data, folder, { recursive: true, filter: (path) => !/^(test|t10k)/.test(basename(path)) });
    const untested = { ...tiny(), data: folder, methods: 'scratch,lwf', out: out() };
    await expect(compare(untested)).rejects.toMatchObject({
      code: 'INVALID_DATA',
      message: expect.stringContaining('has none'),
    });
    expect(existsSync(join(untested.out, 'scratch-1'))).toBe(false);
  });

  it.each([
    ['fit', /'fit' is no method/],
    ['l2t', /Did you mean 'l2t-w/],
    ['finetune', /finetune starts from other weights/],
    ['fm,fm', /fm is listed twice/],
    ['lwf:single', /lwf has no pairs/],
  ])('methods %s are refused', async (methods, message) => {
    await expect(compare({ ...tiny(), methods, out: out() })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message),
    });
  });

  it('is a verb', async () => {
    const flags = ['--data', data, '--target', 'vgg9_bn', '--width', '0.125', '--epochs', '1', '--batch', '6'];
    const folder = out();
    const run = await cli(['compare', '--methods', 'scratch', '--seeds', '1', ...flags, '--out', folder, '--json']);
    expect(run.code).toBe(0);
    const rows = JSON.parse(run.stdout).rows;
    const again = await cli(['compare', '--resume', folder, '--json']);
    expect(JSON.parse(again.stdout).rows).toEqual(rows);
    expect(await cli(['compare', '--resume', temporaryFolder()])).toMatchObject({ code: 1, stdout: '' });
    expect((await cli(['compare', '--resume', folder, '--seeds', '2'])).stderr).toMatch(/--seeds cannot accompany/);
  });
});
