import { expect, it } from 'vitest';
import { methodEntries } from '../../src/experiments/entries.js';
import { rowNames } from '../../src/options/methods.js';

it('finetune-source reads the first source, and no option of the target', () => {
  const options = {
    source: ['a', 'b'],
    sourceNetwork: 'resnet34',
    sourceWidth: [0.5, 1],
    sourceLicence: ['MIT', 'CC0'],
    target: 'vgg9_bn',
  } as const;
  const [entry] = methodEntries({
    ...options,
    width: 0.25,
    size: 64,
    beta: 1,
    perClass: 3,
    methods: 'finetune-source',
  });
  expect(entry?.options).toEqual({
    method: 'finetune',
    report: false,
    target: 'resnet34',
    width: 0.5,
    size: undefined,
    targetInit: 'a',
    sourceLicence: 'MIT',
    perClass: 3,
  });
});

it('everything that can be listed makes an entry of its own name', () => {
  const entries = methodEntries({ source: 'a', target: 'vgg9_bn', targetInit: 'b', methods: rowNames.join(',') });
  expect(entries.map(({ label }) => label)).toEqual(rowNames);
  const starts = new Map(entries.map(({ label, options }) => [label, options.targetInit]));
  for (const [label, start] of starts) {
    expect(start).toBe({ 'finetune-source': 'a', finetune: 'b', 'l2-sp': 'b' }[label]);
  }
});
