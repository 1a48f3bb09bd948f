import { expect, it } from 'vitest';
import { methodEntries } from '../../src/experiments/entries.js';

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
