import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { curve, resumeComparison, resumeCurve } from '../../src/index.js';
import { refusal } from '../outcomes.js';
import { cli, flagsOf, newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

let data: string;
let source: string;
beforeAll(async () => {
  data = tinyData();
  source = await tinySource();
});
const { pairs: _, ...common } = tinyOptions;
const tiny = () => ({ ...common, data, source, epochs: 1, seeds: 2, methods: 'scratch,fm', out: newPath() });

describe('curve', { timeout: 120_000 }, () => {
  it('runs each method with each count and seed; counts are columns; what is missing is done by a resume', async () => {
    const options = { ...tiny(), perClass: '4, 10', validation: 0.1 };
    const { rows } = await curve(options);
    expect(rows.map(({ label, perClass }) => [label, perClass])).toEqual([
      ['scratch', 4],
      ['fm', 4],
      ['scratch', 10],
      ['fm', 10],
    ]);
    // A tenth of 10 images is one, of 4 none.
    expect(rows.map(({ validation }) => validation?.length)).toEqual([undefined, undefined, 2, 2]);
    const spread = String.raw`\d+\.\d ± \d+\.\d`;
    const table = readFileSync(join(options.out, 'comparison.md'), 'utf8').trimEnd().split('\n');
    expect(table[0]).toBe(
      '| test accuracy, % | 4 a class | 10 a class | learning rate | parameters | time a step | an image, batch 1 | an image, batch 32 |',
    );
    expect(table.slice(2)).toEqual([
      expect.stringMatching(new RegExp(`^\\| scratch \\| ${spread} \\| ${spread} \\|`)),
      expect.stringMatching(new RegExp(`^\\| fm \\| ${spread} \\| ${spread} \\|`)),
      '',
      expect.stringMatching(/^With 4 images a class, .* 2 paired differences/),
      '',
      expect.stringMatching(/^With 10 images a class, .* 2 paired differences/),
    ]);
    expect(readFileSync(join(options.out, 'comparison.csv'), 'utf8').split('\n')[3]).toMatch(/^scratch,10,0\.\d+,/);

    rmSync(rows[1]?.runs[0] as string, { recursive: true });
    const again = await resumeCurve(options.out);
    expect(again.rows.map(({ accuracies }) => accuracies)).toEqual(rows.map(({ accuracies }) => accuracies));
    await expect(resumeComparison(options.out)).rejects.toMatchObject({ code: 'INVALID_RUN' });
  });

  it.each([
    ['5,x', /'x' is no count/],
    ['0', /'0' is no count/],
    ['5,,6', /'' is no count/],
    ['5,10,5', /5 is listed twice/],
    [undefined, /^perClass is missing/],
  ])('counts %s are refused', async (perClass, message) => {
    await expect(curve({ ...tiny(), perClass: perClass as string })).rejects.toThrow(
      refusal('INVALID_OPTION', message),
    );
  });

  it('is a verb', async () => {
    const flags = flagsOf({ ...tiny(), source: [], methods: 'scratch', perClass: '2,4', seeds: 1 });
    const run = await cli(['curve', ...flags]);
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^test accuracy, % +2 a class +4 a class +learning rate +parameters +time a step/);
  });
});
