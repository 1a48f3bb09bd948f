import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resume, transfer } from '../../src/index.js';
import type { RunResult } from '../../src/run/run.js';
import { abortAt, contentsOf } from '../outcomes.js';
import { cli, newPath, tinyData, tinyOptions } from '../tiny.js';

const { pairs: _, ...tiny } = tinyOptions;
const data = tinyData();
const habits = { validation: 3, patience: 2, evalEvery: 2, augment: 'none', log: ['csv'] } as const;
const options = { ...tiny, ...habits, method: 'scratch', data, epochs: 30, batch: 9, saveEvery: 0.01 } as const;
const read = (run: string, name: string) => readFileSync(join(run, name), 'utf8');

describe('a run with patience, whole images, and a validation every second epoch', { timeout: 120_000 }, () => {
  let whole: RunResult;
  beforeAll(async () => {
    whole = await transfer({ ...options, out: newPath() }).result;
  }, 120_000);

  it('ends early as a finished run, whose result is the best validated epoch', async () => {
    expect(whole).toMatchObject({ endedEarly: true, best: { epoch: whole.epochs - 5, selected: true }, total: 30 });
    expect(read(whole.run, 'report.html')).toContain(`Patience ended the run after epoch ${whole.epochs} of 30.`);
    expect(read(whole.run, 'README.md')).toContain(`ended after epoch ${whole.epochs}, by patience`);
    const { stdout } = await cli(['transfer', '--resume', whole.run]);
    expect(stdout).toContain(`; ended early, after epoch ${whole.epochs}: `);
  });

  it('has empty cells where an epoch was not validated', () => {
    const [head = '', first = '', second = ''] = read(whole.run, 'metrics.csv').split('\n');
    const column = head.split(',').indexOf('validationAccuracy');
    expect(column).toBeGreaterThan(0);
    expect(first.split(',')).toHaveLength(head.split(',').length);
    expect(first.split(',')[column]).toBe('');
    expect(Number(second.split(',')[column])).toBeGreaterThan(0);
  });

  it('is interrupted and resumed to the same bytes', async () => {
    const folder = newPath();
    await abortAt(
      (signal) => transfer({ ...options, out: folder, signal }),
      (event) => event.type === 'step' && event.epoch === whole.epochs - 2 && event.step === 2,
    );
    const resumed = await resume(folder).result;
    expect(contentsOf(folder)).toEqual(contentsOf(whole.run));
    expect(resumed).toMatchObject({ epochs: whole.epochs, endedEarly: true, best: whole.best });
  });
});
