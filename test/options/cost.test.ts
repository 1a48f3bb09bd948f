import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { transfer } from '../../src/index.js';
import { sizeWarning, threadsWarning } from '../../src/options/cost.js';
import { eventsOf, warningsOf } from '../outcomes.js';
import { cli, flagsOf, newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

it('a run with more threads than cores says so and goes on, and once for all runs of a comparison', async () => {
  const [data, threads] = [tinyData(), 2 * availableParallelism()];
  const { pairs: _, ...options } = { ...tinyOptions, data, epochs: 1, threads };
  const events = await eventsOf(transfer({ ...options, method: 'scratch', out: newPath() }));
  expect(warningsOf(events)).toEqual([
    expect.stringMatching(new RegExp(`^${threads} threads share .* threads: \\d+, or leave it out$`)),
  ]);
  const experiment = { ...options, methods: 'scratch', seeds: 2, parallel: 1, out: newPath() };
  const { stderr, code } = await cli(['compare', ...flagsOf(experiment)]);
  expect([code, stderr.match(/warning: .* threads share .* --threads \d+, or leave it out$/gm)?.length]).toEqual([
    0, 1,
  ]);
});

it('eval and predict say so, too', async () => {
  const source = await tinySource();
  const more = ['--threads', '512'];
  for (const args of [
    ['eval', source, '--data', tinyData()],
    ['predict', 'none.png', '--checkpoint', source],
  ]) {
    expect((await cli([...args, ...more])).stderr).toMatch(
      /^warning: 512 threads share .* --threads \d+, or leave it out$/m,
    );
  }
});

it('what is usual is not warned of', () => {
  const needs = { threads: 2, batch: 64, width: 1, parameters: 9.2e6, innerSteps: 2 };
  expect(threadsWarning(2, 'cpu', 2)).toEqual([]);
  expect(threadsWarning(64, 'cuda:0', 2)).toEqual([]);
  expect(sizeWarning({ ...needs, target: 'vgg9_bn', size: 96 })).toEqual([]);
  expect(sizeWarning({ ...needs, target: 'resnet18', size: 448 })).toEqual([]);
});

it('very large images are warned of, with what they cost', () => {
  const needs = { threads: 2, batch: 64, width: 1, parameters: 9.2e6, innerSteps: 2 };
  expect(sizeWarning({ ...needs, target: 'vgg9_bn', size: 1024 }, 19.2e9)).toEqual([
    'an image of 1024 pixels is 1,024 times the work of one of 32, which vgg9_bn is meant for, and a step on 64 of them may take up to 689 GB of memory, of which 19 GB are free: use a smaller {size}, or a smaller {batch} where memory is short',
  ]);
});
