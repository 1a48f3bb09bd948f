import { expect, it } from 'vitest';
import { compare, resume, type TransferOptions, transfer } from '../../src/index.js';
import { methodNames, needsOf, rowNames } from '../../src/options/methods.js';
import { abortAt, contentsOf } from '../outcomes.js';
import { newPath, tinyData, tinyOptions, tinySource } from '../tiny.js';

const data = tinyData();
const [source, targetInit] = [
  await tinySource({}, { names: ['right', 'left', 'middle'] }),
  await tinySource({ name: tinyOptions.target, width: tinyOptions.width, classes: 3 }),
];

/** The options of a short run of the method. */
function optionsOf(method: (typeof methodNames)[number]): TransferOptions {
  const needs = needsOf(method);
  const { pairs, ...others } = tinyOptions;
  return {
    ...others,
    data,
    method,
    ...(needs.source && { source }),
    ...(needs.pairs && { pairs }),
    ...(needs.start && { targetInit }),
  };
}

it.each(methodNames)('%s: interrupted and resumed, it ends in the same bytes', async (method) => {
  const [whole, half] = [newPath(), newPath()];
  await transfer({ ...optionsOf(method), out: whole }).result;
  await abortAt(
    (signal) => transfer({ ...optionsOf(method), out: half, signal }),
    ({ type }) => type === 'step',
  );
  await resume(half).result;
  expect(contentsOf(half)).toEqual(contentsOf(whole));
});

it('an experiment takes every row', async () => {
  const { pairs: _, ...others } = tinyOptions;
  const methods = rowNames.join(',');
  const { rows } = await compare({ ...others, methods, data, source, targetInit, seeds: 1, epochs: 1, out: newPath() });
  expect(rows.map(({ label }) => label)).toEqual(rowNames);
  for (const { mean } of rows) expect(mean).not.toBeNull();
});
